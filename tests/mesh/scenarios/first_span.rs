use meshtap_mesh::app::Call;
use meshtap_mesh::mesh::Mesh;

pub(super) fn run(mesh: &Mesh) {
    let collector = mesh.collector();
    mesh.kube.namespace("llm-apps");
    mesh.kube.apply_folder(&meshtap_mesh::mesh::repository("istio/base"));
    let pod = mesh.workload("llm-apps", "checkout");
    eprintln!("sidecar ready after {:?}", pod.ready(mesh.node()));
    let answer = pod.call(&Call::chat("first"));
    assert_eq!(answer.status, 200, "{answer:?}\n{}", pod.log());
    let span = collector.wait_for_span("workload=checkout");
    assert_eq!(span.request_model.as_deref(), Some("gpt-4o"), "{span:#?}");
}
