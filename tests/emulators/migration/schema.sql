-- The old product's tables, as far as accounts, call sheets and billing go.
-- Times are UTC without a zone. Jobs, contacts and productions point at "Profile"."userId", which is the user's id.

CREATE TYPE "JobStatus" AS ENUM ('PROCESSING', 'COMPLETED', 'FAILED', 'CANCELLED');
CREATE TYPE "SubscriptionState" AS ENUM
  ('INCOMPLETE', 'INCOMPLETE_EXPIRED', 'TRIALING', 'ACTIVE', 'PAST_DUE', 'CANCELED', 'UNPAID', 'PENDING_CANCELLATION');

CREATE TABLE "User" (
  id text PRIMARY KEY,
  email text NOT NULL UNIQUE,
  name text NOT NULL,
  "passwordHash" text,
  provider text NOT NULL DEFAULT 'email',
  "emailVerified" boolean NOT NULL DEFAULT false,
  "stripeCustomerId" text,
  "createdAt" timestamp(3) NOT NULL,
  "updatedAt" timestamp(3) NOT NULL
);

CREATE TABLE "Profile" (
  id text PRIMARY KEY,
  "userId" text NOT NULL UNIQUE REFERENCES "User" (id),
  "displayName" text
);

CREATE TABLE "Production" (
  id text PRIMARY KEY,
  "userId" text NOT NULL REFERENCES "Profile" ("userId"),
  name text NOT NULL,
  description text,
  status text NOT NULL DEFAULT 'active',
  "createdAt" timestamp(3) NOT NULL
);

CREATE TABLE "Job" (
  id text PRIMARY KEY,
  "userId" text NOT NULL REFERENCES "Profile" ("userId"),
  title text NOT NULL,
  "fileName" text,
  "fileUrl" text,
  status "JobStatus" NOT NULL DEFAULT 'PROCESSING',
  "processedContacts" jsonb,
  "productionId" text REFERENCES "Production" (id),
  "fileHash" text,
  "fileSize" integer,
  "createdAt" timestamp(3) NOT NULL,
  "updatedAt" timestamp(3) NOT NULL
);

CREATE TABLE "Contact" (
  id text PRIMARY KEY,
  "jobId" text NOT NULL REFERENCES "Job" (id) ON DELETE CASCADE,
  "userId" text NOT NULL REFERENCES "Profile" ("userId"),
  name text NOT NULL,
  email text,
  phone text,
  role text,
  company text,
  "isSelected" boolean NOT NULL DEFAULT true,
  "createdAt" timestamp(3) NOT NULL,
  "updatedAt" timestamp(3) NOT NULL
);

CREATE TABLE "Usage" (
  id text PRIMARY KEY,
  "userId" text NOT NULL REFERENCES "User" (id),
  month text NOT NULL,
  "jobsProcessed" integer NOT NULL DEFAULT 0,
  "contactsExtracted" integer NOT NULL DEFAULT 0,
  "apiCalls" integer NOT NULL DEFAULT 0,
  "createdAt" timestamp(3) NOT NULL,
  UNIQUE ("userId", month)
);

CREATE TABLE "Subscription" (
  id text PRIMARY KEY,
  "userId" text NOT NULL REFERENCES "User" (id),
  "stripeCustomerId" text NOT NULL,
  "stripeSubscriptionId" text UNIQUE,
  status "SubscriptionState" NOT NULL,
  "priceId" text NOT NULL,
  "currentPeriodStart" timestamp(3) NOT NULL,
  "currentPeriodEnd" timestamp(3) NOT NULL,
  "cancelAtPeriodEnd" boolean NOT NULL DEFAULT false,
  "createdAt" timestamp(3) NOT NULL,
  "updatedAt" timestamp(3) NOT NULL
);
