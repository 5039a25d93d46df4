-- Accounts of the old product as lines of docs/import.md: one JSON object a line.
--
--   psql -qAtX -v ON_ERROR_STOP=1 -v FETCH_COUNT=10000 -v since=1970-01-01 -f export.sql DATABASE > accounts.ndjson
--
-- `since` leaves out call sheets and contacts that have not changed since then.

BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;

SELECT json_build_object('type', 'user', 'id', u.id, 'stripeCustomerId', u."stripeCustomerId")
FROM "User" u;

SELECT json_build_object('type', 'subscription', 'id', s.id, 'userId', s."userId", 'status', s.status,
  'priceId', s."priceId", 'stripeCustomerId', s."stripeCustomerId",
  'stripeSubscriptionId', s."stripeSubscriptionId", 'currentPeriodStart', s."currentPeriodStart",
  'currentPeriodEnd', s."currentPeriodEnd", 'cancelAtPeriodEnd', s."cancelAtPeriodEnd",
  'createdAt', s."createdAt", 'customer', json_build_object('email', u.email, 'name', u.name))
FROM "Subscription" s JOIN "User" u ON u.id = s."userId";

SELECT json_build_object('type', 'usage', 'userId', u."userId", 'month', u.month,
  'jobsProcessed', u."jobsProcessed", 'contactsExtracted', u."contactsExtracted", 'apiCalls', u."apiCalls")
FROM "Usage" u;

SELECT json_build_object('type', 'production', 'id', p.id, 'userId', p."userId", 'name', p.name,
  'description', p.description, 'status', p.status, 'createdAt', p."createdAt")
FROM "Production" p;

SELECT json_build_object('type', 'job', 'id', j.id, 'userId', j."userId", 'title', j.title,
  'fileName', j."fileName", 'fileUrl', j."fileUrl", 'status', j.status, 'productionId', j."productionId",
  'fileHash', j."fileHash", 'fileSize', j."fileSize", 'createdAt', j."createdAt", 'updatedAt', j."updatedAt",
  'completedAt', CASE WHEN j.status = 'COMPLETED' THEN j."updatedAt" END)
FROM "Job" j WHERE j."updatedAt" >= :'since';

SELECT json_build_object('type', 'contact', 'id', c.id, 'userId', c."userId", 'jobId', c."jobId",
  'name', c.name, 'email', c.email, 'phone', c.phone, 'role', c.role, 'company', c.company,
  'isSelected', c."isSelected", 'createdAt', c."createdAt", 'updatedAt', c."updatedAt")
FROM "Contact" c WHERE c."updatedAt" >= :'since';

COMMIT;
