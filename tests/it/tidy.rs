//! Rules of the tree that a compiler does not check.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the root").to_owned()
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn folders(under: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(root().join(under)).expect("the folder is there");
    entries.flatten().filter(|e| e.path().join("Cargo.toml").exists()).map(|e| e.file_name().into_string().expect("UTF-8")).collect()
}

fn sources(under: &str) -> Vec<(String, String)> {
    let mut list = Vec::new();
    let mut open = vec![root().join(under)];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let name = path.strip_prefix(root()).expect("below the root").display().to_string();
                list.push((name, fs::read_to_string(&path).expect("UTF-8")));
            }
        }
    }
    list
}

/// The `[dependencies]` of a crate that are crates of this project.
fn own_dependencies(manifest: &str) -> BTreeSet<String> {
    let own: BTreeSet<String> = folders("shared").into_iter().chain(["local", "stripe-client"].map(str::to_owned)).collect();
    let text = read(manifest);
    let section = text.split("[dependencies]").nth(1).unwrap_or_default();
    let section = section.split("\n[").next().unwrap_or_default();
    section.lines().filter_map(|line| line.split(['.', ' ', '=']).next()).filter(|name| own.contains(*name)).map(str::to_owned).collect()
}

#[test]
fn arrows_between_layers_point_one_way() {
    let allowed: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("domain", &[][..]),
        ("cache", &[]),
        ("store", &["domain", "billing"]),
        ("billing", &["domain"]),
        ("stripe", &[]),
        ("export", &["domain"]),
        ("web", &["domain"]),
        ("app", &["domain", "store", "cache", "billing", "stripe-client", "export", "book", "web"]),
        ("testkit", &["domain", "store", "cache", "web", "app", "local", "stripe-client"]),
        ("dead-letters", &["app"]),
        ("book", &["domain"]),
    ]);
    for layer in folders("shared") {
        let allowed = allowed.get(layer.as_str()).unwrap_or_else(|| panic!("shared/{layer} has no place in ARCHITECTURE.md"));
        for other in own_dependencies(&format!("shared/{layer}/Cargo.toml")) {
            assert!(allowed.contains(&other.as_str()), "shared/{layer} must not depend on {other}");
        }
    }
    for function in folders("functions") {
        for other in own_dependencies(&format!("functions/{function}/Cargo.toml")) {
            assert!(["app", "web", "domain", "dead-letters"].contains(&other.as_str()), "functions/{function} must not depend on {other}");
        }
    }
}

#[test]
fn members_take_versions_from_the_workspace() {
    for group in ["shared", "functions"] {
        for name in folders(group) {
            let text = read(format!("{group}/{name}/Cargo.toml"));
            let line = text.lines().find(|line| line.contains("version = \""));
            assert!(line.is_none(), "{group}/{name}: {} belongs into [workspace.dependencies]", line.unwrap_or_default());
        }
    }
}

#[test]
fn every_function_has_a_resource_a_route_an_event_and_an_endpoint() {
    let template = read("template.yaml");
    let endpoints: BTreeSet<&str> = web::endpoints::ENDPOINTS.iter().map(|endpoint| endpoint.function).collect();
    let wired = local::functions::names();
    for function in folders("functions") {
        assert!(template.contains(&format!("CodeUri: target/lambda/{function}/")), "{function} is not in template.yaml");
        assert!(root().join(format!("events/{function}.json")).exists(), "{function} has no file in events/");
        let is_job = local::functions::JOBS.iter().any(|(job, _)| *job == function);
        if !function.starts_with("on-") && function != "refresh-jwks" && !is_job {
            assert!(wired.contains(&function.as_str()), "{function} is not wired in local");
            assert!(function == "fallback" || endpoints.contains(function.as_str()), "{function} is not in web::endpoints");
        }
    }
    for line in template.lines().filter_map(|line| line.trim().strip_prefix("CodeUri: target/lambda/")) {
        let function = line.trim_end_matches('/');
        assert!(folders("functions").contains(function), "template.yaml names {function}, which has no folder");
    }
}

#[test]
fn only_store_names_keys_and_only_cache_names_cache_keys() {
    for under in ["shared/domain/src", "shared/billing/src", "shared/web/src", "shared/app/src", "shared/cache/src", "functions"] {
        for (name, text) in sources(under) {
            for key in ["USER#", "CONTACT#", "JOB#", "DIRECTORY#", "USAGE#", "CUS#", "SUB#", "INV#", "PM#", "EVENT#"] {
                assert!(!text.contains(&format!("\"{key}")), "{name} names the key prefix {key}");
            }
        }
    }
    for under in ["shared/domain/src", "shared/web/src", "shared/app/src", "shared/store/src", "functions"] {
        for (name, text) in sources(under) {
            assert!(!text.contains("\"{u:") && !text.contains("{{u:"), "{name} names a cache key");
        }
    }
}

#[test]
fn the_domain_neither_awaits_nor_asks_for_the_time() {
    for (name, text) in sources("shared/domain/src") {
        for word in [".await", "async fn", "SystemTime", "Instant::now", "now_utc"] {
            assert!(!text.contains(word), "{name} contains {word}");
        }
    }
    for under in ["shared/store/src", "shared/web/src"] {
        for (name, text) in sources(under) {
            let production = text.split("#[cfg(test)]").next().unwrap_or_default();
            assert!(!production.contains("SystemTime::now"), "{name} asks for the wall clock");
        }
    }
}

#[test]
fn files_stay_readable_and_nothing_is_left_undone() {
    for under in ["shared", "functions", "local"] {
        for (name, text) in sources(under) {
            let production = text.split("#[cfg(test)]").next().unwrap_or_default();
            let tests = name.ends_with("tests.rs") || name.contains("/tests/") || name.starts_with("shared/testkit");
            assert!(tests || production.lines().count() <= 400, "{name} has more than 400 lines");
            assert!(text.starts_with("//!"), "{name} has no module doc");
            for word in [concat!("todo", "!("), concat!("unimplemented", "!("), concat!("FIX", "ME"), concat!("#[ig", "nore")] {
                assert!(!text.contains(word), "{name} contains {word}");
            }
            assert!(tests || !production.contains(".unwrap()"), "{name} unwraps outside tests");
        }
    }
}

#[test]
fn documents_name_what_exists() {
    let readme = read("README.md");
    for path in
        ["ARCHITECTURE.md", "docs/table.md", "docs/import.md", "scripts/test", "scripts/setup", ".ci/run", "LICENSE-MIT", "LICENSE-APACHE"]
    {
        assert!(root().join(path).exists(), "{path} is missing");
    }
    for link in readme.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
        assert!(root().join(link).exists(), "README.md links to {link}");
    }
    assert!(read("ARCHITECTURE.md").lines().count() < 150, "ARCHITECTURE.md has grown");
    assert!(read(".ci/run").contains("scripts/test"));
}

/// Words in capitals with an underscore between quotes: names of variables, and a few words of other tables.
fn variables(text: &str) -> BTreeSet<String> {
    let production = text.split("#[cfg(test)]").next().unwrap_or_default();
    let quoted = production.split('"').skip(1).step_by(2);
    let named = |word: &&str| word.contains('_') && word.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
    quoted.filter(named).map(str::to_owned).collect()
}

#[test]
fn the_runbook_names_every_setting_and_the_template_no_other() {
    const NO_SETTINGS: [&str; 5] = ["CARGO_PKG_NAME", "RATE_LIMIT_EXCEEDED", "NEW_AND_OLD_IMAGES", "TRIM_HORIZON", "PAST_DUE"];
    let mut known = BTreeSet::new();
    for under in [
        "shared/app/src",
        "shared/cache/src",
        "shared/dead-letters/src",
        "shared/store/src",
        "shared/stripe/src",
        "shared/web/src",
        "functions",
    ] {
        known.extend(sources(under).iter().filter(|(name, _)| !name.contains("tests")).flat_map(|(_, text)| variables(text)));
    }
    known.insert("STAGE".to_owned());
    let runbook = read("docs/runbook.md");
    for variable in known.iter().filter(|variable| !NO_SETTINGS.contains(&variable.as_str())) {
        assert!(runbook.contains(&format!("`{variable}`")), "docs/runbook.md does not name {variable}");
    }
    let documented: BTreeSet<&str> = runbook.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    for variable in documented.iter().filter(|word| word.contains('_') && word.bytes().all(|b| b.is_ascii_uppercase() || b == b'_')) {
        assert!(known.contains(*variable), "docs/runbook.md names {variable}, which nothing reads");
    }
    let template = read("template.yaml");
    for block in template.split("Variables:").skip(1) {
        for line in block.lines().skip(1).take_while(|line| line.starts_with("        ") && line.contains(':')) {
            let variable = line.trim().split(':').next().unwrap_or_default();
            assert!(known.contains(variable), "template.yaml sets {variable}, which nothing reads");
        }
    }
}
