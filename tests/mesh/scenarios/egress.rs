//! The ways out to providers: other names than the one, certificates that are wrong, and what is repeated.

use meshtap_mesh::app::{Answer, Call};
use meshtap_mesh::pod::Pod;
use meshtap_mesh::provider::{BEDROCK, FLAWED, Flaw, OPENAI, OPENAI_AWAY, OPENAI_EU, TOGETHER_AWAY, VERTEX};
use meshtap_tests::spans::Span;
use meshtap_tests::standin::scenario::Scenario;
use meshtap_tests::wait;

use crate::world::{BASE, Namespace, World};

const WILDCARD: &str = "istio/egress/openai-wildcard";

/// Names that are not the provider's one: with a region, and under a wildcard.
pub(crate) fn other_hosts(world: &World) {
    for (situation, folder, host) in [
        ("a host with a region in its name", "istio/egress/aws.bedrock/us-east-1", BEDROCK),
        ("a host that a wildcard covers", WILDCARD, OPENAI_EU),
        ("a host that `*-…` covers", "istio/egress/gcp.vertex-ai-wildcard", VERTEX),
    ] {
        let key = host.split('.').next().unwrap_or_default();
        let namespace = world.namespace(&format!("llm-host-{key}"), &["istio/base", folder], &[]);
        let pod = namespace.workload("checkout");
        let call = Call::chat(key).to(&format!("http://{host}")).streamed().model(key);
        let answer = pod.call(&call);
        assert!(answer.is_whole_stream(), "{host}: {answer:?}\n{}", pod.log());
        let span = world.collector().wait_for_span(&format!("{}&model={key}", namespace.query()));
        assert_eq!(span.attribute("server.address").as_deref(), Some(host), "{span:#?}");
        let situation = format!("base: an SSE stream to {situation}, as `{folder}` opens it");
        world.holds(&situation, "as without the filter, one span");
    }
}

/// Somebody else in the provider's place, as far as a certificate tells.
pub(crate) fn wrong_certificates(world: &World) {
    let folders =
        ["istio/base", WILDCARD, "istio/egress/deepseek", "istio/egress/mistral-ai", "istio/egress/cerebras"];
    let namespace = world.namespace("llm-certificates", &folders, &[]);
    let pod = namespace.workload("checkout");
    for (flaw, host, _) in FLAWED {
        let name = format!("certificate-{}", host.split('.').nth(1).unwrap_or_default());
        let (answer, span) = call(world, &namespace, &pod, host, &Call::chat(&name));
        assert_eq!(world.mesh.provider.standin.times(&format!("{name}@mesh")), 0, "{host} was sent the call");
        let (flaw, reason) = match flaw {
            Flaw::Expired => ("has expired", "certificate_has_expired"),
            Flaw::OtherName => ("is for another name", "SAN_matcher"),
            Flaw::OtherNameBehindWildcard => {
                ("is for another name, of a host that a wildcard covers", "verify_SAN_list")
            }
            Flaw::UnknownAuthority => {
                ("is of an authority that nobody knows", "unable_to_get_local_issuer_certificate")
            }
        };
        let details = span.attribute("meshtap.envoy.response_code_details").unwrap_or_default();
        assert!(details.contains("CERTIFICATE_VERIFY_FAILED") && details.contains(reason), "{details}");
        let outcome = format!(
            "{}, nothing is sent; {}, with `CERTIFICATE_VERIFY_FAILED` and `{reason}` in it",
            seen_by_client(&answer),
            told(&span)
        );
        world.holds(&format!("base: the provider's certificate {flaw}"), &outcome);
    }
}

/// A call that costs money is not made twice, where it may have arrived.
pub(crate) fn repeated(world: &World) {
    let folders = [BASE, &[WILDCARD, "istio/egress/together"]].concat();
    let namespace = world.namespace("llm-repeated", &folders, &[]);
    let pod = namespace.workload("checkout");
    crate::until_seen(world, &namespace.name, &pod);
    let standin = &world.mesh.provider.standin;
    for (place, host) in [("a host of its own", OPENAI), ("a host that a wildcard covers", OPENAI_EU)] {
        for (scenario, what) in [
            (Scenario::ResetBeforeHeaders, "closes the connection instead of answering"),
            (Scenario::Error500, "answers 500"),
        ] {
            let name = format!("repeated-{}-{}", host.len(), scenario.name());
            let failing = Call::chat(&name).behaving(scenario);
            let (answer, span) = call(world, &namespace, &pod, host, &failing);
            let times = standin.times(&format!("{name}@mesh"));
            assert_eq!(times, 1, "{name}");
            let outcome =
                format!("{}, the provider has the call once; {}", seen_by_client(&answer), told(&span));
            world.holds(&format!("base: {place}, whose provider {what}"), &outcome);
        }
    }
    let own = "a host of its own";
    refused(world, &namespace, &pod, own, TOGETHER_AWAY);
    refused(world, &namespace, &pod, "a host that a wildcard covers", OPENAI_AWAY);
}

/// A provider that no connection leads to.
fn refused(world: &World, namespace: &Namespace<'_>, pod: &Pod, place: &str, host: &str) {
    let (answer, span) = call(world, namespace, pod, host, &Call::chat(place));
    let outcome = format!("{}; {}", seen_by_client(&answer), told(&span));
    world.holds(&format!("base: {place}, whose provider refuses connections"), &outcome);
}

/// Makes a call to this host. Its span is the newest of the host's: where no connection came about, it has no model.
fn call(world: &World, namespace: &Namespace<'_>, pod: &Pod, host: &str, call: &Call) -> (Answer, Span) {
    let spans = || {
        let all = world.collector().spans(&format!("{}&limit=200", namespace.query()));
        let of_host = |span: &Span| span.attribute("server.address").as_deref() == Some(host);
        all.into_iter().filter(of_host).collect::<Vec<_>>()
    };
    world.all_batches_come();
    let before = spans().len();
    let answer = pod.call(&call.clone().to(&format!("http://{host}")));
    let span = wait::until("the span of the call", || {
        let mut now = spans();
        (now.len() > before).then(|| now.swap_remove(0))
    });
    (answer, span)
}

fn seen_by_client(answer: &Answer) -> String {
    if answer.status == 0 { "no answer".to_owned() } else { answer.status.to_string() }
}

/// What its span says of a call that failed.
fn told(span: &Span) -> String {
    let text = |name: &str| span.attribute(name).unwrap_or_else(|| "none".to_owned());
    // The part before a colon: behind it stand OpenSSL's words.
    let details = text("meshtap.envoy.response_code_details");
    let details = details.split([':', '{']).next().unwrap_or_default();
    format!(
        "the span has `error.type` `{}`, `meshtap.envoy.attempts` {} and `meshtap.envoy.response_code_details` `{details}`",
        span.error_type.as_deref().unwrap_or("none"),
        text("meshtap.envoy.attempts"),
    )
}
