-- Fills the old product's tables: 50 users, :contacts contacts, of very different sizes, with what real data has: blanks, nulls, addresses
-- without an @, quotes, backslashes, line ends, names of every script. The same each time, up to the moment :now.

SELECT setseed(0.5);

CREATE TEMP TABLE size AS
  SELECT n, 'user-' || to_char(n, 'FM00') AS id,
    -- One account in four thousand has most of the contacts; two have none.
    CASE WHEN n IN (49, 50) THEN 0 ELSE floor(:contacts * n ^ -1.2 / (SELECT sum(k ^ -1.2) FROM generate_series(1, 48) k))::int END AS contacts
  FROM generate_series(1, 50) n;
UPDATE size SET contacts = contacts + :contacts - (SELECT sum(contacts) FROM size) WHERE n = 1;

INSERT INTO "User" (id, email, name, "passwordHash", "stripeCustomerId", "createdAt", "updatedAt")
  SELECT id, id || '@example.test', 'User "' || n || '"', 'not exported', CASE WHEN n % 3 <> 0 THEN 'cus_' || id END,
    :'now'::timestamp - interval '2 years', :'now'::timestamp - interval '1 year'
  FROM size;

-- The last one never saved anything, so there is no profile.
INSERT INTO "Profile" (id, "userId") SELECT gen_random_uuid(), id FROM size WHERE n < 50;

INSERT INTO "Production" (id, "userId", name, description, "createdAt")
  SELECT gen_random_uuid(), size.id, 'Production ' || k || E' \\ "quoted"', CASE WHEN k = 1 THEN E'first line\nsecond line' END,
    :'now'::timestamp - interval '1 year'
  FROM size CROSS JOIN generate_series(1, 3) k WHERE n < 50;

-- A job for every 24 contacts, and two for those who have none but a profile.
CREATE TEMP TABLE job AS
  SELECT row_number() OVER () AS number, gen_random_uuid()::text AS id, size.id AS "userId", k,
    :'now'::timestamp - random() * interval '500 days' AS created, random() AS luck, random() AS of_production
  FROM size CROSS JOIN LATERAL generate_series(1, contacts / 24 + 2) k WHERE n < 50;
CREATE INDEX ON job ("userId", k);

INSERT INTO "Job" (id, "userId", title, "fileName", "fileUrl", status, "processedContacts", "productionId", "fileHash", "fileSize",
    "createdAt", "updatedAt")
  SELECT id, "userId", 'Extraction - day ' || k, CASE WHEN luck < 0.97 THEN 'day ' || k || '.pdf' END, 'https://files.example.test/' || k,
    (CASE WHEN luck < 0.86 THEN 'COMPLETED' WHEN luck < 0.94 THEN 'FAILED' WHEN luck < 0.97 THEN 'PROCESSING' ELSE 'CANCELLED' END)::"JobStatus",
    '{"method": "hybrid"}',
    (SELECT p.id FROM "Production" p WHERE p."userId" = job."userId" AND of_production < 0.7 ORDER BY p.id
       OFFSET floor(of_production * 4)::int LIMIT 1),
    md5(id) || md5(id || 'x'), 1000 + k, created, created + luck * interval '9 minutes'
  FROM job;

INSERT INTO "Contact" (id, "jobId", "userId", name, email, phone, role, company, "isSelected", "createdAt", "updatedAt")
  SELECT gen_random_uuid(), job.id, size.id,
    CASE c % 50 WHEN 0 THEN 'O''Neill \ "Sam"' WHEN 1 THEN E'Two\nlines\tand a tab' WHEN 2 THEN 'Zoë Ångström-Łukasz' WHEN 3 THEN '田中 花子'
      ELSE 'Crew ' || c END,
    CASE WHEN e < 0.2 THEN NULL WHEN e < 0.23 THEN '' WHEN e < 0.24 THEN '  ' WHEN e < 0.26 THEN 'no address' ELSE 'crew' || c || '@example.test' END,
    CASE WHEN p < 0.4 THEN NULL WHEN p < 0.43 THEN '' WHEN p < 0.44 THEN ' ' ELSE '+44 7700 9' || to_char(c % 100000, 'FM00000') END,
    CASE WHEN r < 0.06 THEN NULL WHEN r < 0.08 THEN '' WHEN r < 0.09 THEN '  ' ELSE 'Role ' || floor(60 * r * r) END,
    CASE WHEN r < 0.5 THEN 'Company ' || floor(r * 100) END,
    r < 0.9, job.created + c % 600 * interval '1 second', job.created + interval '1 hour'
  FROM size CROSS JOIN LATERAL
    (SELECT c, random() AS e, random() AS p, random() AS r, floor(random() ^ 1.5 * (contacts / 24 + 2))::int + 1 AS k
       FROM generate_series(1, contacts) c) AS row
  JOIN job ON job."userId" = size.id AND job.k = row.k;

-- Usage of this month up to and beyond the limits (1, 50, 200), and of a year before.
INSERT INTO "Usage" (id, "userId", month, "jobsProcessed", "contactsExtracted", "apiCalls", "createdAt")
  SELECT gen_random_uuid(), id, to_char(:'now'::timestamp - k * interval '1 month', 'YYYY-MM'), n * (k + 1) % 61, n * 10, n * 7,
    :'now'::timestamp - k * interval '1 month'
  FROM size CROSS JOIN generate_series(0, 12) k WHERE n % 10 <> 0;

-- Four in five have a subscription, some an older one besides.
INSERT INTO "Subscription" (id, "userId", "stripeCustomerId", "stripeSubscriptionId", status, "priceId", "currentPeriodStart",
    "currentPeriodEnd", "cancelAtPeriodEnd", "createdAt", "updatedAt")
  SELECT gen_random_uuid(), id, 'cus_' || id, 'sub_' || id || '_' || k,
    (CASE WHEN k = 2 THEN 'CANCELED' ELSE (ARRAY['ACTIVE', 'ACTIVE', 'ACTIVE', 'TRIALING', 'PAST_DUE', 'UNPAID', 'CANCELED', 'INCOMPLETE'])[n % 8 + 1] END)::"SubscriptionState",
    (ARRAY['price_starter_monthly', 'price_professional_monthly', 'starter', 'professional', 'enterprise'])[n % 5 + 1],
    date_trunc('day', :'now'::timestamp) - interval '10 days', date_trunc('day', :'now'::timestamp) + interval '20 days', n % 7 = 0,
    :'now'::timestamp - k * interval '100 days', :'now'::timestamp - interval '10 days'
  FROM size CROSS JOIN generate_series(1, 2) k WHERE n % 5 <> 0 AND (k = 1 OR n % 4 = 0);
