-- What the old product does between the first export and the last: a new call sheet with contacts, a corrected contact, one more upload,
-- a subscription that is cancelled.

INSERT INTO "Job" (id, "userId", title, "fileName", status, "createdAt", "updatedAt")
  SELECT gen_random_uuid(), 'user-' || to_char(n, 'FM00'), 'Extraction - late.pdf', 'late.pdf', 'COMPLETED',
    :'now'::timestamp - interval '20 minutes', :'now'::timestamp - interval '18 minutes'
  FROM generate_series(1, 49) n;

INSERT INTO "Contact" (id, "jobId", "userId", name, email, role, "createdAt", "updatedAt")
  SELECT gen_random_uuid(), j.id, j."userId", 'Late ' || k, 'late' || k || '@example.test', 'Role 7', j."updatedAt", j."updatedAt"
  FROM "Job" j CROSS JOIN generate_series(1, 5) k WHERE j."fileName" = 'late.pdf';

UPDATE "Contact" SET email = NULL, role = 'Corrected', "updatedAt" = :'now'::timestamp - interval '10 minutes'
  WHERE id IN (SELECT id FROM "Contact" WHERE email IS NOT NULL ORDER BY id LIMIT 100);

UPDATE "Usage" SET "jobsProcessed" = "jobsProcessed" + 1, "contactsExtracted" = "contactsExtracted" + 5
  WHERE month = to_char(:'now'::timestamp, 'YYYY-MM');

UPDATE "Subscription" SET status = 'CANCELED', "updatedAt" = :'now'::timestamp - interval '5 minutes' WHERE "userId" = 'user-07';
