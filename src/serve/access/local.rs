/// Where to go after signing in: a path on this server as it was asked for, or else its first page.
pub(super) fn local(to: Option<&str>) -> &str {
    to.filter(|to| is_local(to)).unwrap_or("/")
}

/// Browsers take `//host` and `/\host` for another host, and leave tabs and ends of lines out before they look.
fn is_local(to: &str) -> bool {
    to.starts_with('/')
        && !to.starts_with("//")
        && to.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_paths_are_local() {
        for to in ["/", "/runs/7", "/runs?environment=prod#end", "/a//b"] {
            assert_eq!(local(Some(to)), to);
        }
        for to in ["", "runs", "//evil", "/\\evil", "https://evil", "/a\nb", "/\t/evil", "\\\\evil", "/ü"] {
            assert_eq!(local(Some(to)), "/", "{to}");
        }
        assert_eq!(local(None), "/");
    }

    proptest! {
        #[test]
        fn no_browser_leaves_the_server(to in "[/\\\\\t\n:?#@a-z.]{0,12}") {
            let here = url::Url::parse("https://here.example/sign-in").unwrap();
            let there = here.join(local(Some(&to))).unwrap();
            prop_assert_eq!(there.origin(), here.origin());
        }
    }
}
