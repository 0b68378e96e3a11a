use proptest::prelude::*;

use super::*;
use crate::dialect::OpenAi;

const ROLE: &str = r#"data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}],"usage":null}"#;
const TEXT: &str = r#"data: {"choices":[{"index":0,"delta":{"content":"H\n\"choices\":[]"},"finish_reason":null}]}"#;
const STOP: &str =
    r#"data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null}"#;
const USAGE: &str =
    r#"data: {"id":"x","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2}}"#;
const DONE: &str = "data: [DONE]";
const ENDS: [&str; 3] = ["\n", "\r\n", "\r"];

/// What comes in, and what of it is to go out.
fn script(events: &[&str], end: &str, removed: Option<usize>) -> (Vec<u8>, Vec<u8>) {
    let (mut all, mut kept) = (String::new(), String::new());
    for (index, event) in events.iter().enumerate() {
        let event = event.replace('\n', end) + end + end;
        all += &event;
        if removed != Some(index) {
            kept += &event;
        }
    }
    (all.into(), kept.into())
}

fn filter() -> UsageFilter {
    UsageFilter::new(&OpenAi)
}

fn drain(filter: &mut UsageFilter) -> Vec<Bytes> {
    let frames = std::iter::from_fn(|| filter.next());
    frames.map(|frame| frame.into_data().unwrap()).collect()
}

/// What goes out, where the stream comes in these chunks.
fn filtered<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut filter = filter();
    let mut out = Vec::new();
    for chunk in chunks {
        filter.take(Frame::data(Bytes::copy_from_slice(chunk)));
        out.extend(drain(&mut filter));
    }
    filter.release();
    out.extend(drain(&mut filter));
    assert!(filter.is_empty());
    out.concat()
}

#[track_caller]
fn assert_filtered(all: &[u8], kept: &[u8]) {
    let show = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    for at in 0..=all.len() {
        let (before, after) = all.split_at(at);
        let got = filtered([before, after]);
        assert_eq!(show(&got), show(kept), "split at {at}");
    }
    for size in [1, 2, 3, 7, 64, all.len()] {
        assert_eq!(show(&filtered(all.chunks(size))), show(kept), "by {size}");
    }
}

#[test]
fn the_event_goes_and_every_other_byte_stays_however_it_is_split() {
    for end in ENDS {
        let (all, kept) = script(&[ROLE, TEXT, STOP, USAGE, DONE], end, Some(3));
        assert_filtered(&all, &kept);
        let (all, kept) = script(&[ROLE, TEXT, STOP, USAGE], end, Some(3));
        assert_filtered(&all, &kept);
    }
}

#[test]
fn comments_and_other_events_around_it_stay() {
    let late = r#"data: {"choices":[{"index":0,"content_filter_offsets":{"start_offset":44}}]}"#;
    let named = USAGE.replace("data: ", "event: chunk\nid: 7\ndata:");
    let lines = USAGE.replace(",\"usage\"", ",\ndata:\"usage\"");
    for end in ENDS {
        for usage in [&named, &lines] {
            let events = [": hi", ROLE, STOP, ": wait", late, usage, ": more", DONE];
            let (all, kept) = script(&events, end, Some(5));
            assert_filtered(&all, &kept);
        }
        // A comment in front, without a blank line of its own.
        let glued = format!(": wait\n{USAGE}");
        let (all, _) = script(&[STOP, &glued, DONE], end, None);
        let (before, _) = script(&[STOP], end, None);
        let (after, _) = script(&[DONE], end, None);
        let kept = [&before[..], b": wait", end.as_bytes(), &after].concat();
        assert_filtered(&all, &kept);
    }
}

#[test]
fn one_event_goes_and_no_second() {
    let (all, kept) = script(&[STOP, USAGE, USAGE, DONE], "\n", Some(1));
    assert_filtered(&all, &kept);
}

#[test]
fn what_is_no_such_event_stays() {
    let last = r#"data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":4}}"#;
    let groq = r#"data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"x_groq":{"usage":{"prompt_tokens":4}}}"#;
    let azure = r#"data: {"choices":[],"prompt_filter_results":[],"usage":null}"#;
    let router =
        r#"data: {"choices":[{"index":0,"delta":{"content":""}}],"usage":{"prompt_tokens":4}}"#;
    let error = r#"data: {"error":{"message":"choices\":[],\"usage\":{}"}}"#;
    let second = r#"data: {"choices":[{"index":1,"delta":{"content":"x"}}]}"#;
    let junk = "data: {\"choices\":[],\"usage\":{";
    let long = format!("data: {{\"x\":\"{}", "y".repeat(2 * LONGEST));
    for events in [
        &[ROLE, TEXT, last, DONE][..],
        &[TEXT, groq, DONE],
        &[azure, TEXT, STOP, azure, router, DONE],
        &[TEXT, STOP, error, junk, DONE],
        // Before an answer has come to its end, nothing of it is taken out.
        &[USAGE, TEXT, USAGE],
        &[ROLE, second, STOP, USAGE],
        &[DONE, USAGE],
        &["", "", "x"],
    ] {
        for end in ENDS {
            let (all, _) = script(events, end, None);
            assert_filtered(&all, &all);
        }
    }
    let (all, _) = script(&[STOP, &long, USAGE], "\n", None);
    let (_, kept) = script(&[STOP, &long, USAGE], "\n", Some(2));
    for size in [1_000, 20_000, all.len()] {
        assert_eq!(filtered(all.chunks(size)), kept);
    }
}

#[test]
fn an_event_without_its_end_is_let_go_where_the_stream_ends() {
    let (mut all, _) = script(&[TEXT, STOP], "\n", None);
    all.extend_from_slice(USAGE.as_bytes());
    assert_filtered(&all, &all);
    all.push(b'\n');
    assert_filtered(&all, &all);
}

#[test]
fn nothing_is_held_that_could_not_become_the_event() {
    let mut filter = filter();
    let mut take = |text: &str| {
        filter.take(Frame::data(Bytes::copy_from_slice(text.as_bytes())));
        drain(&mut filter)
    };
    for part in [
        ROLE,
        "\n",
        "\n",
        "data: {\"cho",
        "ices\":[]",
        "}\n\n",
        STOP,
        "\n\n",
    ] {
        assert_eq!(take(part), [part.to_owned()]);
    }
    for part in [": wai", "t\n", "\n", "data: [DO", "NE]", "\n\n"] {
        assert_eq!(take(part), [part.to_owned()]);
    }
    // Held parts come out as they came in.
    assert_eq!(take(": x\n\nda"), [": x\n\n"]);
    assert_eq!(take("ta: {\"choices\""), [""; 0]);
    assert_eq!(
        take(":[{}]}\n\nd"),
        ["da", "ta: {\"choices\"", ":[{}]}\n\n"]
    );
    assert_eq!(take("atum: 1\ndata: 2"), ["d", "atum: 1\ndata: 2"]);
    assert_eq!(take("\n\n"), ["\n\n"]);
}

#[test]
fn a_chunk_is_passed_whole_or_cut_where_the_event_was() {
    let bytes = |events, removed| Bytes::from(script(events, "\n", removed).1);
    let whole = bytes(&[ROLE, TEXT, STOP, DONE], None);
    let mut filter = filter();
    filter.take(Frame::data(whole.clone()));
    let out = drain(&mut filter);
    assert_eq!(out, [&whole]);
    assert_eq!(out[0].as_ptr(), whole.as_ptr(), "not copied");

    let mut filter = self::filter();
    filter.take(Frame::data(bytes(&[ROLE, STOP, USAGE, DONE], None)));
    let expected = [bytes(&[ROLE, STOP], None), bytes(&[DONE], None)];
    assert_eq!(drain(&mut filter), expected);
}

#[test]
fn trailers_come_after_what_was_held_and_sizes_are_true() {
    let mut filter = filter();
    filter.take(Frame::data(Bytes::from(format!("{STOP}\n\ndata: {{"))));
    let mut rest = SizeHint::new();
    rest.set_lower(3);
    rest.set_upper(9);
    let hint = filter.size_hint(&rest);
    let own = STOP.len() as u64 + 2 + 7;
    assert_eq!((hint.lower(), hint.upper()), (0, Some(9 + own)));
    assert!(filter.next().is_some());
    assert!(filter.next().is_none() && !filter.is_empty());
    filter.take(Frame::trailers(http::HeaderMap::new()));
    assert_eq!(filter.next().unwrap().into_data().unwrap(), "data: {");
    assert!(filter.next().unwrap().is_trailers());
    assert!(filter.is_empty());

    let mut filter = self::filter();
    filter.take(Frame::data(Bytes::from(format!("{STOP}\n\n{USAGE}\n\n"))));
    filter.take(Frame::data(Bytes::new()));
    let hint = filter.size_hint(&rest);
    let own = STOP.len() as u64 + 2;
    assert_eq!((hint.lower(), hint.upper()), (3 + own, Some(9 + own)));
}

proptest! {
    #[test]
    fn any_stream_in_any_chunks_loses_that_event_alone(
        texts in 0..4_usize,
        usage in prop::option::of(0..3_usize),
        end in prop::sample::select(ENDS.to_vec()),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let mut events = vec![ROLE];
        events.extend(vec![TEXT; texts]);
        events.push(STOP);
        let first = events.len();
        events.extend([": wait", ": still", DONE]);
        let removed = usage.map(|at| first + at);
        if let Some(at) = removed {
            events.insert(at, USAGE);
        }
        let (all, kept) = script(&events, end, removed);
        let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.index(all.len() + 1)).collect();
        cuts.extend([0, all.len()]);
        cuts.sort_unstable();
        let got = filtered(cuts.windows(2).map(|cut| &all[cut[0]..cut[1]]));
        prop_assert_eq!(got, kept);
    }

    #[test]
    fn what_is_no_stream_of_events_passes_untouched(
        parts in prop::collection::vec(prop::sample::select(vec![
            STOP, "\n", "\r", "\n\n", "data:", "data: {", ":", "{\"choices\":[]", "}", "\u{feff}", "x",
        ]), 0..24),
        size in 1..40_usize,
    ) {
        let all = parts.concat();
        prop_assert_eq!(filtered(all.as_bytes().chunks(size)), all.as_bytes());
    }
}
