"""What the API costs a month, next to the server that it replaces. docs/cost.md explains the figures and has what this prints.

    cost.py                  prints the tables
    cost.py --check FILE     fails unless FILE has them as they are
"""

import sys
from pathlib import Path

HOURS = 730
SECONDS = HOURS * 3600

# List prices in dollars, us-east-1, as known in November 2026. Check them against the price list before you rely on them.
PRICE = {
    "gateway request": 1.00e-6,          # HTTP API, the first 300 million; 0.90e-6 beyond
    "gateway request beyond": 0.90e-6,
    "function request": 0.20e-6,
    "function GB-second": 0.0000133334,  # arm64
    "read unit": 0.125e-6,               # DynamoDB on demand
    "write unit": 0.625e-6,
    "table GB-month": 0.25,
    "backup GB-month": 0.20,             # point-in-time recovery
    "cache GB-hour": 0.084,              # ElastiCache Serverless for Valkey; never less than 0.1 GB
    "cache unit": 0.0023e-6,             # 1 KB moved, or as much processor time
    "log GB": 0.50,
    "metric": 0.30,                      # a month, while it is sent
    "trace": 5.0e-6,
    "endpoint hour": 0.01,               # one interface endpoint in one zone
    "alarm": 0.10,
    "key": 1.00,
    "secret": 0.40,
    "traffic GB": 0.09,
}

# What one user does in a month: the assumptions. A visit is a sign-in with what the client then shows.
VISITS = 6
REQUESTS_A_VISIT = 10                    # warm, dashboard, plans, customer, usage, limits, statistics, three contact pages
SHEETS = 1                               # call sheets saved, 50 contacts each
EDITS = 5                                # contacts changed or deleted one by one
EVENTS = 2                               # of Stripe
CONTACTS = 500                           # kept on average

# What was measured: docs/table.md (units, bytes), bench/README.md (growth), the functions' durations in tests and benchmarks.
READ_UNITS_A_VISIT = 75                  # dashboard 1, statistics 4, customer and usage 3, first page 21 and two more of 23, with misses on all
WRITE_UNITS = SHEETS * 216 + EDITS * 18 + EVENTS * 22
BYTES_A_CONTACT = 1_900                  # 600 of contact in the table and in two indexes, with what DynamoDB adds to each
SECONDS_A_REQUEST = 0.015                # billed: 2 ms for a hit, 10 for a miss, 60 for a write, and its share of cold starts
GB_OF_A_FUNCTION = 0.5
BYTES_AN_ANSWER = 3_000
BYTES_OF_LOG = 1_500                     # one metric line and one access line a request
BYTES_OF_ENTRIES = 40_000                # a user's entries in the cache, for ten minutes after a visit
METRICS = 460                            # 37 functions with 8, 50 views and tiers with 3, 30 of the stage
ALARMS = 20                              # 15 of them; one over several metrics is billed for each
PEAK = 5                                 # the busiest hour next to the average one


def ours(users):
    """Dollars a month by service."""
    requests = users * VISITS * REQUESTS_A_VISIT
    changes = users * (SHEETS + EDITS + EVENTS)
    invocations = requests + changes     # each change wakes the stream's consumer, at most once
    gigabytes = users * CONTACTS * BYTES_A_CONTACT / 1e9
    peak_visits = users * VISITS / SECONDS * PEAK
    cached = max(0.1, peak_visits * 600 * BYTES_OF_ENTRIES / 1e9)
    first = min(requests, 300_000_000)
    return {
        "API Gateway": first * PRICE["gateway request"] + (requests - first) * PRICE["gateway request beyond"],
        "Lambda": invocations * (PRICE["function request"] + SECONDS_A_REQUEST * GB_OF_A_FUNCTION * PRICE["function GB-second"]),
        "DynamoDB, reads and writes": users * (VISITS * READ_UNITS_A_VISIT * PRICE["read unit"] + WRITE_UNITS * PRICE["write unit"]),
        "DynamoDB, storage and backup": gigabytes * (PRICE["table GB-month"] + PRICE["backup GB-month"]),
        "ElastiCache": cached * HOURS * PRICE["cache GB-hour"] + requests * 5 * PRICE["cache unit"],
        "logs and traces": requests * (BYTES_OF_LOG / 1e9 * PRICE["log GB"] + 0.05 * PRICE["trace"]),
        "metrics and alarms": METRICS * PRICE["metric"] + ALARMS * PRICE["alarm"],
        "network, key, secret": PRICE["endpoint hour"] * HOURS + PRICE["key"] + PRICE["secret"],
        "traffic out": requests * BYTES_AN_ANSWER / 1e9 * PRICE["traffic GB"],
    }


# The old server at each size: (application servers, dollars an hour each), (database instances, dollars an hour each), GB of disk.
# It asks 13 queries and 4 calls to Stripe for a dashboard, so the database is what grows.
OLD = {
    1_000: ((2, 0.0168), (2, 0.032), 40, "2 t4g.small, db.t4g.small in two zones"),
    100_000: ((3, 0.0672), (2, 0.239), 400, "3 t4g.large, db.r7g.large in two zones"),
    10_000_000: ((24, 0.1445), (4, 7.65), 15_000, "24 c7g.xlarge, db.r7g.16xlarge in two zones, two replicas"),
}
BALANCER_HOUR = 0.0225
DISK_GB_MONTH = 0.115


def old(users):
    (servers, server), (databases, database), disk, what = OLD[users]
    log = users * VISITS * REQUESTS_A_VISIT * BYTES_OF_LOG / 1e9 * PRICE["log GB"]
    traffic = users * VISITS * REQUESTS_A_VISIT * BYTES_AN_ANSWER / 1e9 * PRICE["traffic GB"]
    fixed = HOURS * (servers * server + databases * database + BALANCER_HOUR)
    return fixed + disk * databases * DISK_GB_MONTH + log + traffic, what


def dollars(value):
    return f"{value:,.2f}" if value < 100 else f"{value:,.0f}"


def tables():
    sizes = list(OLD)
    columns = {size: ours(size) for size in sizes}
    lines = ["| dollars a month | " + " | ".join(f"{size:,} users" for size in sizes) + " |", "|---|" + "---:|" * len(sizes)]
    for service in columns[sizes[0]]:
        lines.append(f"| {service} | " + " | ".join(dollars(columns[size][service]) for size in sizes) + " |")
    lines.append("| **together** | " + " | ".join(f"**{dollars(sum(columns[size].values()))}**" for size in sizes) + " |")
    lines.append("| a user | " + " | ".join(f"{sum(columns[size].values()) / size:.4f}" for size in sizes) + " |")
    lines.append("| the old server | " + " | ".join(dollars(old(size)[0]) for size in sizes) + " |")
    lines.append("")
    lines += [f"- {size:,} users, old: {old(size)[1]}." for size in sizes]
    return "\n".join(lines)


def main(arguments):
    match arguments:
        case []:
            print(tables())
        case ["--check", file]:
            if tables() not in Path(file).read_text():
                sys.exit(f"{file} does not have what scripts/cost.py prints")
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
