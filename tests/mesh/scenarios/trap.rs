//! A filter that traps: who pays for it.

use std::time::Duration;

use meshtap_mesh::app::{Answer, Call};
use meshtap_tests::tools::trap_filter;
use meshtap_tests::wait;

use crate::world::{BASE, RESILIENT, World, with_module};

pub(crate) fn trap(world: &World) {
    let bytes = std::fs::read(trap_filter()).unwrap();
    let module = world.modules.serve("trap.wasm", &bytes);
    for (place, folders) in [("base", BASE), ("resilient", RESILIENT)] {
        let namespace = world.namespace(&format!("llm-trap-{place}"), folders, &with_module(&module));
        let pod = namespace.workload("checkout");
        wait::until("the module in Envoy", || {
            let page = pod.admin("/stats?filter=wasm.*active");
            let active =
                page.lines().filter_map(|line| line.rsplit_once(": ")?.1.parse::<u64>().ok()).sum::<u64>();
            (active > 0).then_some(())
        });
        let stream = pod
            .begin(&Call::chat(&format!("trap-sse-{place}")).slowly(Duration::from_millis(100)))
            .has_begun();
        let trigger = pod.call(&Call::chat(&format!("trap-{place}")).header("x-meshtap-trap", "1"));
        let stream = stream.end();
        let next = pod.call(&Call::chat(&format!("trap-next-{place}")));
        let outcome = format!(
            "the request that traps gets {}; a stream under way is {}; the next call gets {}",
            status(&trigger),
            if stream.is_whole_stream() { "whole" } else { "cut" },
            status(&next)
        );
        world.holds(&format!("{place}: the filter traps"), &outcome);
    }
}

fn status(answer: &Answer) -> String {
    if answer.status == 0 { "no answer".to_owned() } else { answer.status.to_string() }
}
