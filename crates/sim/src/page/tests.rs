//! What stands on a page is what happened, and nothing that is written on it can break out of it.

use std::rc::Rc;

use super::{Group, LANES_MAX, Lane, Mark, Page, Tone};
use crate::policy::{Jackline, Kind};
use crate::swarm::Story;

fn kind() -> Rc<dyn Kind> {
    Rc::new(Jackline::default())
}

fn lane(name: &str, what: &str) -> Lane {
    Lane {
        group: Group::Node,
        name: name.to_owned(),
        spans: Vec::new(),
        marks: vec![Mark {
            at_ms: 1,
            tone: Tone::Good,
            what: what.to_owned(),
            why: Vec::new(),
        }],
    }
}

#[test]
fn a_story_on_a_page_is_the_story_that_was_played() {
    let story = Story::of(3);
    let mut page = Page::default();
    let shown = story.play_on(&mut page, &kind());
    assert_eq!(shown, story.play(&kind()), "looking changes nothing");
    let of = |group| page.lanes.iter().filter(move |lane| lane.group == group);
    assert_eq!(of(Group::Server).count(), story.world.servers.len());
    assert_eq!(of(Group::Node).count(), story.world.nodes.len());
    let faults = of(Group::Fault).next().expect("a lane of faults");
    assert_eq!(faults.marks.len(), story.faults.len() + 1);
    for group in [Group::Source, Group::Session, Group::Endpoint] {
        assert!(of(group).count() > 0, "{group:?}");
    }
    for lane in &page.lanes {
        let joined = lane.spans.windows(2).all(|pair| pair[0].to_ms <= pair[1].from_ms);
        assert!(joined, "{}: {:?}", lane.name, lane.spans);
        assert!(
            lane.spans.iter().all(|span| span.to_ms <= page.to_ms),
            "{}",
            lane.name
        );
    }
    let decided = of(Group::Node).flat_map(|lane| &lane.marks);
    let (mut count, mut reasons) = (0, 0);
    for mark in decided {
        count += 1;
        reasons += usize::from(!mark.why.is_empty() && !mark.what.is_empty());
    }
    assert!(
        count > 5 && reasons + 2 * story.world.nodes.len() >= count,
        "{reasons} of {count}"
    );
}

#[test]
fn no_word_breaks_out_of_the_page_and_the_page_asks_nobody() {
    let mut page = Page {
        title: "</title><script>alert(1)</script>".to_owned(),
        ..Page::default()
    };
    page.take(vec![lane("</script><img>", "<!--")]);
    let html = page.to_html().expect("a page");
    assert_eq!(html.matches("<script").count(), 2, "the data and the script");
    assert_eq!(html.matches("</script").count(), 2);
    assert!(!html.contains("<img") && !html.contains("<!--"));
    for outside in ["http:", "https:", "src=", "url(", "@import", "fetch(", "<link"] {
        assert!(!html.contains(outside), "{outside}");
    }
    assert!(html.contains("default-src 'none'"));
}

#[test]
fn what_is_too_much_for_a_page_is_counted() {
    let mut page = Page::default();
    page.take(
        (0..LANES_MAX + 3)
            .map(|number| lane(&number.to_string(), "x"))
            .collect(),
    );
    assert_eq!((page.lanes.len(), page.left_out), (LANES_MAX, 3));
}
