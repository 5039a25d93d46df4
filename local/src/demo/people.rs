//! The demo account's crew: invented people with believable roles.

use rand::Rng;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;

/// Role and the company that usually sends it; none for the production's own people and for freelancers.
const ROLES: [(&str, Option<&str>); 44] = [
    ("Director", None),
    ("Producer", None),
    ("Executive Producer", None),
    ("Line Producer", None),
    ("Production Manager", None),
    ("Production Coordinator", None),
    ("Production Assistant", None),
    ("1st Assistant Director", None),
    ("2nd Assistant Director", None),
    ("Script Supervisor", None),
    ("Casting Director", Some("Northgate Casting")),
    ("Director of Photography", None),
    ("Camera Operator", None),
    ("1st AC", None),
    ("2nd AC", None),
    ("Steadicam Operator", None),
    ("DIT", Some("Tidewater Post")),
    ("Gaffer", Some("Westbeam Lighting")),
    ("Best Boy Electric", Some("Westbeam Lighting")),
    ("Electrician", Some("Westbeam Lighting")),
    ("Key Grip", Some("Harbour Grip")),
    ("Dolly Grip", Some("Harbour Grip")),
    ("Grip", Some("Harbour Grip")),
    ("Sound Mixer", None),
    ("Boom Operator", None),
    ("Production Designer", None),
    ("Art Director", None),
    ("Set Decorator", None),
    ("Props Master", None),
    ("Standby Carpenter", Some("Fourwalls Sets")),
    ("Costume Designer", None),
    ("Wardrobe Assistant", None),
    ("Make-up Artist", None),
    ("Hair Stylist", None),
    ("Location Manager", None),
    ("Unit Manager", None),
    ("Unit Driver", Some("Kestrel Facilities")),
    ("Facilities Driver", Some("Kestrel Facilities")),
    ("Caterer", Some("Two Kettles Catering")),
    ("Unit Medic", Some("Setcare Medics")),
    ("Stills Photographer", None),
    ("Stunt Coordinator", None),
    ("VFX Supervisor", Some("Tidewater Post")),
    ("Editor", Some("Tidewater Post")),
];
const FIRST: [&str; 40] = [
    "Mara", "Jonah", "Ines", "Tobias", "Leila", "Soren", "Amelie", "Piotr", "Noor", "Hugo", "Clara", "Yusuf", "Greta", "Luca", "Ada",
    "Finn", "Zoë", "Emil", "Rosa", "Oscar", "Nadia", "Kofi", "June", "Arlo", "Priya", "Callum", "Beatriz", "Dylan", "Hana", "Ewan",
    "Freya", "Gareth", "Imogen", "Jamal", "Kirsty", "Marek", "Niamh", "Owen", "Samira", "Theo",
];
const LAST: [&str; 40] = [
    "Quill",
    "Brandt",
    "Okafor",
    "Lindqvist",
    "Moreau",
    "Novak",
    "Haddad",
    "Ferrari",
    "Shaw",
    "Larsen",
    "Dubois",
    "Kaya",
    "Winter",
    "Rossi",
    "Mercer",
    "Sato",
    "Keller",
    "Jansen",
    "Silva",
    "Webb",
    "Horvat",
    "Mensah",
    "Vogel",
    "Laine",
    "Penrose",
    "Tregenza",
    "Bowden",
    "Achebe",
    "Castell",
    "Drummond",
    "Ellery",
    "Fairley",
    "Gallagher",
    "Hartnell",
    "Iqbal",
    "Jewell",
    "Kingsley",
    "Lovell",
    "Marchetti",
    "Nash",
];

/// Somebody on a call sheet.
#[derive(Debug, Clone)]
pub(super) struct Person {
    pub(super) name: String,
    pub(super) email: Option<String>,
    pub(super) phone: Option<String>,
    pub(super) role: Option<&'static str>,
    pub(super) company: Option<&'static str>,
}

/// So many people; like on real sheets, some lack an address, a number or a role.
pub(super) fn crew(count: usize, rng: &mut SmallRng) -> Vec<Person> {
    (0..count)
        .map(|at| {
            // The first take the roles in order, so that each is there.
            let (role, company) = ROLES.get(at).or_else(|| ROLES.choose(rng)).copied().unwrap_or_default();
            let (first, last) = (FIRST[rng.random_range(0..FIRST.len())], LAST[rng.random_range(0..LAST.len())]);
            let host = company.unwrap_or(if rng.random_bool(0.4) { "Halyard Pictures" } else { "crewmail" });
            let host = host.to_lowercase().replace(' ', "-");
            let email = format!("{}.{}@{host}.example", first.to_lowercase().replace('ë', "e"), last.to_lowercase());
            Person {
                name: format!("{first} {last}"),
                email: rng.random_bool(0.85).then_some(email),
                phone: rng.random_bool(0.75).then(|| format!("+44 7700 900{:03}", at % 1_000)),
                role: rng.random_bool(0.96).then_some(role),
                company: company.or_else(|| rng.random_bool(0.2).then_some("Halyard Pictures")),
            }
        })
        .collect()
}
