//! `If-Match` (RFC 9110, section 13.1.1).

use http::HeaderMap;

/// The versions of a thing that a request accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IfMatch {
    /// `*`: whichever there is.
    Any,
    /// These strong entity tags, quotes included. A weak one accepts nothing, and neither does what cannot be read.
    Tags(Vec<String>),
}

impl IfMatch {
    /// Reads the header, in one line or several; nothing when there is none.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let lines: Vec<_> = headers.get_all(http::header::IF_MATCH).iter().collect();
        if lines.is_empty() {
            return None;
        }
        let text = lines.iter().map(|line| line.to_str().unwrap_or_default()).collect::<Vec<_>>().join(",");
        if text.trim() == "*" {
            return Some(Self::Any);
        }
        Some(Self::Tags(strong_tags(&text).unwrap_or_default()))
    }

    /// Whether the request accepts the version of this strong tag.
    #[must_use]
    pub fn accepts(&self, etag: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Tags(tags) => tags.iter().any(|tag| tag == etag),
        }
    }
}

/// The strong tags of a list; nothing when it is no list of tags. A tag may contain commas.
fn strong_tags(text: &str) -> Option<Vec<String>> {
    let mut tags = Vec::new();
    let mut rest = text.trim_start_matches([' ', '\t', ',']);
    while !rest.is_empty() {
        let (weak, quoted) = rest.strip_prefix("W/").map_or((false, rest), |rest| (true, rest));
        let (opaque, after) = quoted.strip_prefix('"')?.split_once('"')?;
        if !weak {
            tags.push(format!("\"{opaque}\""));
        }
        let after = after.trim_start_matches([' ', '\t']);
        if !after.is_empty() && !after.starts_with(',') {
            return None;
        }
        rest = after.trim_start_matches([' ', '\t', ',']);
    }
    Some(tags)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn accepts(lines: &[&str], etag: &str) -> bool {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(http::header::IF_MATCH, HeaderValue::from_str(line).unwrap());
        }
        IfMatch::of(&headers).is_none_or(|if_match| if_match.accepts(etag))
    }

    #[test]
    fn any_of_the_strong_tags_is_enough() {
        for lines in
            [&[][..], &["*"], &[" * "], &["\"7\""], &["\"6\", \"7\""], &["\"a,b\" ,, \"7\""], &["\"6\"", "\"7\""], &["W/\"7\",\"7\""]]
        {
            assert!(accepts(lines, "\"7\""), "{lines:?}");
        }
    }

    #[test]
    fn weak_tags_other_tags_and_nonsense_accept_nothing() {
        for lines in [
            &["\"6\""][..],
            &["W/\"7\""],
            &["7"],
            &[""],
            &["\"7"],
            &["\"7\" \"8\""],
            &["\"7\"x"],
            &["*, \"7\""],
            &["\"6,7\""],
            &["w/\"7\""],
        ] {
            assert!(!accepts(lines, "\"7\""), "{lines:?}");
        }
    }
}
