// Shows the contract and fills in the demo account's token, so that a call needs no preparation.
const token = document.querySelector('meta[name=token]').content;
const explorer = SwaggerUIBundle({
  url: '/api/docs/openapi.yaml',
  dom_id: '#explorer',
  deepLinking: true,
  displayRequestDuration: true,
  tryItOutEnabled: true,
  validatorUrl: null, // the default sends the document to a service on the internet
  onComplete: () => {
    if (token) explorer.preauthorizeApiKey('bearerAuth', token);
  },
});
