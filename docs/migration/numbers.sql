-- What each user's pages must show after the migration, computed from the old tables alone: one JSON object a user.
-- Compared with the new system's answers by ./scripts/compare-accounts (docs/migration.md). :now is the moment of the comparison.

WITH moment AS (
  SELECT :'now'::timestamp AS now, to_char(:'now'::timestamp, 'YYYY-MM') AS month,
    date_trunc('hour', :'now'::timestamp - interval '30 days') AS since -- a window counts whole hours
), plan (id, name, uploads, price) AS (
  VALUES ('free', 'Free Plan', 1, 0), ('starter', 'Starter Plan', 50, 2900), ('professional', 'Professional Plan', 200, 9900),
    ('enterprise', 'Enterprise Plan', -1, 0)
), subscription AS (
  -- Of several the one that counts: the best status, then the newest.
  SELECT DISTINCT ON (s."userId") s.*, lower(s.status::text) AS word,
    substring(s."priceId" FROM '(starter|professional|enterprise)') AS bought
  FROM "Subscription" s
  ORDER BY s."userId", array_position(ARRAY['ACTIVE', 'TRIALING', 'PAST_DUE', 'UNPAID', 'INCOMPLETE'],
    replace(s.status::text, 'TRIALING', 'ACTIVE')) NULLS LAST, s."createdAt" DESC
), granted AS (
  SELECT u.id AS "userId", plan.*
  FROM "User" u LEFT JOIN subscription s ON s."userId" = u.id
  JOIN plan ON plan.id = CASE WHEN s.word IN ('active', 'trialing', 'past_due') THEN s.bought ELSE 'free' END
), contact AS (
  SELECT c.*, btrim(coalesce(c.email, '')) <> '' AS has_email, btrim(coalesce(c.phone, '')) <> '' AS has_phone,
    CASE WHEN btrim(coalesce(c.role, '')) = '' THEN 'Unknown' ELSE c.role END AS "group",
    coalesce(j."productionId", 'unknown') AS production
  FROM "Contact" c JOIN "Job" j ON j.id = c."jobId"
), contacts AS (
  SELECT "userId", count(*) AS n, count(*) FILTER (WHERE has_email) AS email, count(*) FILTER (WHERE has_phone) AS phone,
    count(*) FILTER (WHERE "createdAt" >= (SELECT since FROM moment)) AS recent
  FROM contact GROUP BY 1
), filled AS (
  SELECT j.*, coalesce(c.n, 0) AS n
  FROM "Job" j LEFT JOIN (SELECT "jobId", count(*) AS n FROM "Contact" GROUP BY 1) AS c ON c."jobId" = j.id
), jobs AS (
  SELECT "userId", count(*) AS n, count(*) FILTER (WHERE status = 'COMPLETED' AND n > 0) AS successful,
    count(*) FILTER (WHERE status = 'FAILED') AS failed, count(*) FILTER (WHERE n > 0) AS with_contacts,
    max("createdAt") FILTER (WHERE n > 0) AS last,
    avg(extract(epoch FROM "updatedAt" - "createdAt")::numeric / 60) FILTER (WHERE status = 'COMPLETED') AS minutes
  FROM filled GROUP BY 1
), roles AS (
  SELECT "userId", json_agg(json_build_object('role', "group", 'count', n) ORDER BY n DESC, "group" COLLATE "C") AS list
  FROM (SELECT "userId", "group", count(*) AS n FROM contact GROUP BY 1, 2) AS r GROUP BY 1
), productions AS (
  SELECT "userId", json_agg(json_build_object('productionId', production, 'count', n) ORDER BY n DESC, production COLLATE "C") AS list
  FROM (SELECT "userId", production, count(*) AS n FROM contact GROUP BY 1, 2) AS p GROUP BY 1
), newest AS (
  SELECT "userId", json_agg(json_build_object('id', id, 'contactsCount', n, 'fileName', "fileName", 'timestamp',
    to_char("createdAt", 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')) ORDER BY place) AS list
  FROM (SELECT *, row_number() OVER (PARTITION BY "userId" ORDER BY "createdAt" DESC, id DESC) AS place FROM filled
    WHERE "createdAt" >= (SELECT since FROM moment)) AS a
  WHERE place <= 10 GROUP BY 1
), account AS (
  SELECT u.id, u.name, u.email, u."stripeCustomerId" AS customer, granted.id AS plan, granted.name AS plan_name, granted.uploads, granted.price,
    coalesce(c.n, 0) AS contacts, coalesce(c.email, 0) AS with_email, coalesce(c.phone, 0) AS with_phone, coalesce(c.recent, 0) AS recent,
    coalesce(j.n, 0) AS jobs, coalesce(j.successful, 0) AS successful, coalesce(j.failed, 0) AS failed,
    coalesce(j.with_contacts, 0) AS with_contacts, j.last, j.minutes,
    coalesce(usage."jobsProcessed", 0) AS used,
    granted.uploads = -1 OR coalesce(usage."jobsProcessed", 0) < granted.uploads AS can_upload
  FROM "User" u
  JOIN granted ON granted."userId" = u.id
  LEFT JOIN contacts c ON c."userId" = u.id
  LEFT JOIN jobs j ON j."userId" = u.id
  LEFT JOIN "Usage" usage ON usage."userId" = u.id AND usage.month = (SELECT month FROM moment)
)
SELECT json_build_object('userId', a.id, 'pages', json_build_object(
  '/api/dashboard/summary', json_build_object('success', true, 'data', json_build_object(
    'usage', jsonb_build_object('uploadsUsed', used, 'uploadsLimit', uploads, 'canUpload', can_upload, 'totalContacts', contacts,
        'totalJobs', jobs, 'planId', plan, 'planName', plan_name)
      || CASE WHEN can_upload THEN '{}' ELSE jsonb_build_object('reason', 'You have reached your ' || uploads || ' upload limit for this month') END,
    'metrics', json_build_object('totalContacts', contacts, 'totalJobs', jobs, 'successfulExtractions', successful,
      'failedExtractions', failed, 'averageContactsPerJob', coalesce(round(contacts::numeric / nullif(jobs, 0), 2), 0),
      'uploadsUsed', used, 'uploadsLimit', uploads, 'planName', plan_name, 'planId', plan),
    'actions', json_build_object('canUpload', can_upload, 'canUpgrade', plan = 'free' OR (uploads > 0 AND used >= 0.8 * uploads),
      'canManageBilling', CASE WHEN s.word IN ('active', 'trialing', 'past_due', 'unpaid', 'paused') THEN true
        WHEN coalesce(s."stripeCustomerId", a.customer) IS NOT NULL THEN false END,
      'canViewContacts', contacts > 0))),
  '/api/dashboard/metrics', json_build_object('success', true, 'data', json_build_object(
    'successRate', coalesce(round(100.0 * successful / nullif(jobs, 0), 1), 0),
    'efficiency', coalesce(round(100.0 * successful / nullif(jobs, 0), 1), 0),
    'accuracy', coalesce(round(100.0 * with_contacts / nullif(jobs, 0), 1), 0),
    'averageProcessingTime', CASE WHEN jobs = 0 THEN 0 ELSE coalesce(round(minutes, 1), 2.5) END,
    'totalTimeSaved', 5 * contacts, 'totalJobs', jobs, 'totalContacts', contacts, 'successfulJobs', successful, 'failedJobs', failed)),
  '/api/contacts/stats', json_build_object('success', true, 'data', json_build_object(
    'totalContacts', contacts, 'recentContacts', recent, 'contactsWithEmail', with_email, 'withEmail', with_email,
    'contactsWithPhone', with_phone, 'withPhone', with_phone, 'totalJobs', with_contacts, 'jobsWithContacts', with_contacts,
    'averageContactsPerJob', coalesce(round(contacts::numeric / nullif(with_contacts, 0), 2), 0),
    'lastExtractionDate', to_char(last, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
    'contactsByRole', coalesce(roles.list, '[]'), 'contactsByProduction', coalesce(productions.list, '[]'))),
  '/api/billing/customer', CASE WHEN s.word IN ('active', 'trialing', 'past_due', 'unpaid', 'paused') THEN
    json_build_object('success', true, 'hasSubscription', true, 'plan', plan, 'status', s.word,
      'subscriptionId', s."stripeSubscriptionId", 'currentPeriodEnd', extract(epoch FROM s."currentPeriodEnd")::bigint,
      'cancelAtPeriodEnd', s."cancelAtPeriodEnd",
      'customer', json_build_object('id', s."stripeCustomerId", 'email', a.email, 'name', a.name),
      'subscription', json_build_object('id', s."stripeSubscriptionId", 'status', s.word,
        'current_period_start', extract(epoch FROM s."currentPeriodStart")::bigint,
        'current_period_end', extract(epoch FROM s."currentPeriodEnd")::bigint, 'cancel_at_period_end', s."cancelAtPeriodEnd",
        'plan', json_build_object('id', plan, 'name', plan_name, 'amount', price, 'currency', 'usd', 'interval', 'month')))
    ELSE json_build_object('success', true, 'hasSubscription', false, 'plan', 'free', 'status', 'inactive') END),
  -- Of these pages only the named keys of each row are compared.
  'rows', json_build_object('/api/dashboard/activity', coalesce(newest.list, '[]')))
FROM account a
LEFT JOIN subscription s ON s."userId" = a.id
LEFT JOIN roles ON roles."userId" = a.id
LEFT JOIN productions ON productions."userId" = a.id
LEFT JOIN newest ON newest."userId" = a.id
ORDER BY a.id;
