//! A filter that traps: who pays for it, and how it comes back.

use meshtap_mesh::app::{Answer, Call};
use meshtap_mesh::modules::Module;
use meshtap_tests::trapping::{TRAPPING_HEADERS, trapping_filter};
use serde_json::{Value, json};

use crate::streams::Stream;
use crate::world::{BASE, RESILIENT, World, with_module, with_setting, with_setting_as_text};

pub(crate) fn trap(world: &World) {
    let module = world.modules.serve("trap.wasm", &trapping_filter());
    let setting = json!({"max_age_ms": 700});
    let places = [
        ("base", BASE, with_setting("batch", &setting)),
        ("resilient", RESILIENT, with_setting_as_text("batch", &setting)),
    ];
    world
        .holds_in(&places, |world, (place, folders, edit)| vec![traps(world, &module, place, folders, edit)]);
}

fn traps(world: &World, module: &Module, place: &str, folders: &[&str], edit: &Value) -> (String, String) {
    let namespace = world.namespace(&format!("llm-trap-{place}"), folders, &with_module(module));
    let pod = namespace.workload("checkout");
    crate::until_seen(world, &namespace.name, &pod);
    let name = format!("trap-sse-{place}");
    let stream = Stream::begin(&world.mesh.provider, &pod, &name);
    let trigger = pod.call(&many_headers(&format!("trap-{place}")));
    let next = pod.call(&Call::chat(&format!("trap-next-{place}")).model("trap-next"));
    let next_span = world.was_seen(&namespace.query(), "trap-next");
    let stream = stream.release();
    let stream_span = world.was_seen(&namespace.query(), &name);
    // The same module, configured anew: a VM that has not trapped.
    namespace.apply(folders, &[with_module(module), vec![edit.clone()]].concat());
    crate::until_seen_as(world, &namespace.name, &pod, "revived");
    let outcome = format!(
        "the request that traps gets {}; a stream under way is {}, {}; the next call gets {}, {}; an edit of the plugin \
         configuration brings the filter back",
        status(&trigger),
        if stream.is_whole_stream() { "whole" } else { "cut" },
        with_span(stream_span),
        status(&next),
        with_span(next_span),
    );
    (format!("{place}: the filter traps"), outcome)
}

fn many_headers(name: &str) -> Call {
    (0..TRAPPING_HEADERS).fold(Call::chat(name), |call, number| call.header(&format!("x-{number}"), "1"))
}

fn status(answer: &Answer) -> String {
    if answer.status == 0 { "no answer".to_owned() } else { answer.status.to_string() }
}

const fn with_span(seen: bool) -> &'static str {
    if seen { "with its span" } else { "without a span" }
}
