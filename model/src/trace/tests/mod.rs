//! The renderers on stories written by hand, and on stories as odd as they come.

mod html;
mod messages;
mod odd;
mod samples;
mod svg;
mod telling;
mod text;

/// That nothing in a rendering leads outside: only the names of namespaces look like addresses.
fn assert_self_contained(rendering: &str) {
    let rendering = rendering.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
    for needle in ["http:", "https:", "//cdn", "@import", "url(", "src=", "<link", "xlink"] {
        assert!(!rendering.contains(needle), "a rendering refers to the outside: {needle}");
    }
}
