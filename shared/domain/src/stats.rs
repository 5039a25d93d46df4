//! The stats item: counts by role, by production and by hour. At most 64 KB, read by one GetItem.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::contact::Counts;
use crate::root::{JobKey, json_len};
use crate::{Rev, Timestamp};

/// Name of the group of contacts without a role (D5).
pub(crate) const UNKNOWN_ROLE: &str = "Unknown";
/// Name of the group of contacts whose job has no production.
pub(crate) const UNKNOWN_PRODUCTION: &str = "unknown";
/// Bytes of one kind of groups kept in the item; further groups live in items of their own.
const GROUP_BYTES_MAX: usize = 24 * 1024;
/// What a group costs beside its name in quotes: colon, comma and count.
const GROUP_OVERHEAD_BYTES: usize = 10;
/// Hours kept before the newest: 31 days.
const HOURS_KEPT: i64 = 31 * 24;
/// Hours kept in all, so that contacts dated ahead cannot fill the item: at most 15 KB.
const HOURS_MAX: usize = 2 * 31 * 24;

/// A group of contacts that is counted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GroupKey {
    /// By role.
    Role(String),
    /// By production id, or `unknown`.
    Production(String),
}

/// Groups of one kind. Those that do not fit are counted in items of their own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Groups {
    /// Counts by name.
    #[serde(rename = "g", default)]
    pub inline: BTreeMap<String, u64>,
    /// Whether groups live elsewhere too. Once true it stays until a rebuild.
    #[serde(rename = "s", default)]
    pub spilled: bool,
}

impl Groups {
    /// Adds `delta` to a group; false when the group belongs into an item of its own.
    pub(crate) fn add(&mut self, name: &str, delta: i64) -> bool {
        if let Some(count) = self.inline.get_mut(name) {
            *count = count.saturating_add_signed(delta);
            if *count == 0 {
                self.inline.remove(name);
            }
            return true;
        }
        if self.spilled || self.bytes() + cost(name) > GROUP_BYTES_MAX {
            self.spilled = true;
            return false;
        }
        if delta > 0 {
            self.inline.insert(name.to_owned(), delta.unsigned_abs());
        }
        true
    }

    fn bytes(&self) -> usize {
        self.inline.keys().map(|name| cost(name)).sum()
    }
}

fn cost(name: &str) -> usize {
    json_len(&name) + GROUP_OVERHEAD_BYTES
}

/// Contacts by hour of creation, sparse, over the newest 31 days and what is dated ahead.
///
/// Of hours ahead the farthest are counted together, in the last one that there is room for. So a window is exact until it begins after that
/// hour, which is weeks ahead; a rebuild then counts afresh.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hours {
    counts: BTreeMap<i64, u64>,
    /// The earliest hour that later ones may be counted in.
    shared: Option<i64>,
}

impl Hours {
    /// Contacts created in a whole UTC hour that is not before the hour of `since` (D10).
    #[must_use]
    pub fn since(&self, since: Timestamp) -> u64 {
        self.counts.range(since.hour()..).map(|(_, count)| count).sum()
    }

    /// What a window that ends at `now` can tell apart: what two counts of the same contacts agree in.
    #[must_use]
    pub fn reachable(&self, now: Timestamp) -> Self {
        let mut counts = self.counts.clone().split_off(&(now.hour() - HOURS_KEPT));
        share(&mut counts, now.hour());
        Self { counts, shared: None }
    }

    pub(crate) fn add(&mut self, at: Timestamp) {
        *self.counts.entry(at.hour()).or_default() += 1;
    }

    pub(crate) fn remove(&mut self, at: Timestamp) {
        let hour = if self.counts.contains_key(&at.hour()) { Some(at.hour()) } else { self.shared_by(at.hour()) };
        let Some(hour) = hour else { return };
        if let Some(count) = self.counts.get_mut(&hour) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&hour);
            }
        }
    }

    /// The hour that a later one without a count of its own is counted in.
    fn shared_by(&self, hour: i64) -> Option<i64> {
        let first = self.shared.filter(|first| *first <= hour)?;
        self.counts.range(first..=hour).next_back().map(|(hour, _)| *hour)
    }

    /// Drops what no window can reach: more than 31 days before `now`, or before the newest hour if that is older,
    /// so that old data still shows under a clock that was set back. Then counts the farthest hours together if there are too many.
    pub(crate) fn prune(&mut self, now: Timestamp) {
        let Some((newest, _)) = self.counts.last_key_value() else { return };
        let first = now.hour().min(*newest) - HOURS_KEPT;
        self.counts = self.counts.split_off(&first);
        self.shared = self.shared.filter(|shared| *shared >= first);
        if self.counts.len() > HOURS_MAX
            && let Some(last) = self.counts.keys().nth(HOURS_MAX - 1).copied()
        {
            share(&mut self.counts, last);
            self.shared = Some(self.shared.map_or(last, |shared| shared.min(last)));
        }
    }
}

/// Counts all from `hour` on in it.
fn share(counts: &mut BTreeMap<i64, u64>, hour: i64) {
    let together = counts.split_off(&hour).into_values().sum();
    if together > 0 {
        counts.insert(hour, together);
    }
}

/// As pairs of (hours since the entry before, count), flat: `[492320,3,1,7,..]`; at the end the shared hour if there is one.
impl Serialize for Hours {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut last = 0;
        let pairs = self.counts.iter().flat_map(|(hour, count)| {
            let gap = hour - last;
            last = *hour;
            [gap.unsigned_abs(), *count]
        });
        serializer.collect_seq(pairs.chain(self.shared.map(i64::unsigned_abs)))
    }
}

impl<'de> Deserialize<'de> for Hours {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let flat = Vec::<u64>::deserialize(deserializer)?;
        let (pairs, shared) = flat.as_chunks::<2>();
        let mut counts = BTreeMap::new();
        let mut hour = 0_i64;
        for [gap, count] in pairs {
            hour = hour.saturating_add_unsigned(*gap);
            counts.insert(hour, *count);
        }
        let shared = shared.first().and_then(|hour| i64::try_from(*hour).ok());
        Ok(Self { counts, shared })
    }
}

/// What the contact statistics are computed from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// The same revision as the root's.
    pub rev: Rev,
    /// Set when the account was deleted (D14).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<Timestamp>,
    /// The root's contact counters.
    pub contacts: Counts,
    /// The root's count of jobs with contacts.
    pub jobs_with_contacts: u64,
    /// The root's newest job with contacts.
    #[serde(default)]
    pub last_extraction: Option<JobKey>,
    /// Contacts by role.
    #[serde(default)]
    pub roles: Groups,
    /// Contacts by production of their job.
    #[serde(default)]
    pub productions: Groups,
    /// Contacts by hour.
    #[serde(default)]
    pub hours: Hours,
}

impl Stats {
    /// Whether some groups live in items of their own, which the view needs too.
    #[must_use]
    pub fn spilled(&self) -> bool {
        self.roles.spilled || self.productions.spilled
    }

    /// Adds groups that live in items of their own, for a view.
    pub fn merge_groups(&mut self, groups: impl IntoIterator<Item = (GroupKey, u64)>) {
        for (key, count) in groups {
            let (map, name) = match key {
                GroupKey::Role(name) => (&mut self.roles.inline, name),
                GroupKey::Production(name) => (&mut self.productions.inline, name),
            };
            *map.entry(name).or_default() += count;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_beyond_the_budget_go_elsewhere_and_stay_there() {
        let mut groups = Groups::default();
        let inline = (0..3_000).filter(|i| groups.add(&format!("role {i}"), 1)).count();
        assert!(inline > 1_000 && inline < 1_500, "{inline}");
        assert!(groups.spilled && groups.bytes() <= GROUP_BYTES_MAX);
        assert!(groups.add("role 0", -1) && !groups.inline.contains_key("role 0"));
        assert!(!groups.add("role 2999", 1), "a group has one home");
    }

    #[test]
    fn hours_survive_storage_and_count_whole_hours() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let mut hours = Hours::default();
        for text in ["2026-03-01T10:59:59.999Z", "2026-03-01T11:00:00Z", "2026-03-31T10:00:00Z"] {
            hours.add(at(text));
        }
        let stored = serde_json::to_string(&hours).unwrap();
        assert_eq!(serde_json::from_str::<Hours>(&stored).unwrap(), hours);
        assert_eq!(hours.since(at("2026-03-01T10:00:00Z")), 3);
        assert_eq!(hours.since(at("2026-03-01T11:30:00Z")), 2);
        hours.remove(at("2026-03-01T11:10:00Z"));
        hours.prune(at("2026-04-01T10:30:00Z"));
        assert_eq!(hours.since(Timestamp::from_ms(0)), 2);
        hours.prune(at("2026-06-01T00:00:00Z"));
        assert_eq!(hours.since(Timestamp::from_ms(0)), 2, "old data shows under a clock that was set back");
        hours.add(at("2026-04-03T10:30:00Z"));
        hours.prune(at("2026-06-01T00:00:00Z"));
        assert_eq!(hours.since(Timestamp::from_ms(0)), 2, "the hour of 1 March is out of every window");
    }

    #[test]
    fn contacts_dated_ahead_keep_to_the_size_and_to_exact_windows() {
        let now: Timestamp = "2026-03-31T10:30:00Z".parse().unwrap();
        let ahead = |n: i64| now.plus_ms(n * 999 * 3_600_000);
        let mut hours = Hours::default();
        let mut dates: Vec<Timestamp> = (0..HOURS_KEPT).map(|n| now.plus_ms(-n * 3_600_000)).chain((1..3_000).map(ahead)).collect();
        dates.iter().for_each(|at| hours.add(*at));
        let agrees = |hours: &Hours, dates: &[Timestamp]| {
            for days in (0..60).step_by(7) {
                let since = now.minus_days(30).plus_days(days);
                let expected = dates.iter().filter(|at| at.hour() >= since.hour()).count();
                assert_eq!(hours.since(since), expected as u64, "{days} days later");
            }
        };
        hours.prune(now);
        assert_eq!(hours.counts.len(), HOURS_MAX);
        let counts = hours.counts.keys().map(|hour| (*hour, 10_000)).collect();
        let busy = serde_json::to_string(&Hours { counts, ..hours.clone() }).unwrap();
        assert!(busy.len() <= 15 * 1024, "{} bytes", busy.len());
        hours = serde_json::from_str(&serde_json::to_string(&hours).unwrap()).unwrap();
        agrees(&hours, &dates);
        // Of those that are counted together some go, some come, and there is room again: no window notices.
        for n in [2_999, 1_500, 2_000, 10] {
            let at = ahead(n);
            hours.remove(at);
            dates.retain(|date| *date != at);
            let new = at.plus_ms(7 * 3_600_000);
            hours.add(new);
            dates.push(new);
            hours.prune(now);
            agrees(&hours, &dates);
        }
        let kept = dates.split_off(dates.len() - 4);
        for at in &dates {
            hours.remove(*at);
        }
        agrees(&hours, &kept);
        assert!(hours.counts.len() <= 4);
    }

    #[test]
    fn two_counts_agree_in_what_a_window_can_tell_apart() {
        let now: Timestamp = "2026-03-31T10:30:00Z".parse().unwrap();
        let mut counts = [Hours::default(), Hours::default()];
        for hours in &mut counts {
            (-HOURS_KEPT..3_000).for_each(|n| hours.add(now.plus_ms(n * 3_600_000)));
        }
        counts[0].prune(now);
        counts[1].prune(now.plus_days(5));
        assert_ne!(counts[0], counts[1]);
        assert_eq!(counts[0].reachable(now.plus_days(5)), counts[1].reachable(now.plus_days(5)));
        counts[1].remove(now.plus_days(9));
        assert_ne!(counts[0].reachable(now.plus_days(5)), counts[1].reachable(now.plus_days(5)));
    }
}
