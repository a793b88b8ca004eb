//! CPU seconds of Envoy until it is ready, with the filter and without it.

use std::net::{Ipv4Addr, SocketAddr};

use meshtap_tests::bench::{Figure, median};
use meshtap_tests::envoy::{Envoy, Filter, Listener};
use meshtap_tests::sandbox::Sandbox;
use meshtap_tests::workload::Workload;

pub(super) struct Starts {
    without: Vec<f64>,
    with: Vec<f64>,
}

/// Starts Envoy on either side in turn, and each side first in every other round.
pub(super) fn measure(rounds: usize) -> Starts {
    let mut starts = Starts { without: Vec::new(), with: Vec::new() };
    for round in 0..rounds {
        for with_filter in [round % 2 == 1, round % 2 == 0] {
            let side = if with_filter { &mut starts.with } else { &mut starts.without };
            side.push(cpu_until_ready(with_filter));
        }
    }
    starts
}

/// Nobody calls: where it forwards to need not exist.
fn cpu_until_ready(with_filter: bool) -> f64 {
    let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 9));
    let mut listener = Listener::new("start", nowhere);
    if with_filter {
        listener = listener.filter(Filter::exporting_to(nowhere));
    }
    let sandbox = Sandbox::new("start");
    let envoy = Envoy::start(&sandbox, &Workload::new("start", "default"), &[listener]);
    envoy.process().cpu_time().as_secs_f64()
}

impl Starts {
    /// What the filter adds, round by round.
    fn added(&self) -> Vec<f64> {
        self.with.iter().zip(&self.without).map(|(with, without)| with - without).collect()
    }

    pub(super) fn figure(&self) -> Figure {
        let ratio = median(&self.with) / median(&self.without);
        Figure::measured(&self.added(), "s").compared_with("Envoy without the filter", ratio)
    }

    pub(super) fn print(&self) {
        println!("\nCPU seconds of Envoy until it is ready, {} rounds", self.with.len());
        println!("  {:<28}{:>9}{:>9}{:>9}", "", "median", "min", "max");
        let added = self.added();
        for (name, values) in
            [("without the filter", &self.without), ("with it", &self.with), ("what it adds", &added)]
        {
            let min = values.iter().copied().fold(f64::INFINITY, f64::min);
            let max = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            println!("  {name:<28}{:>9.2}{min:>9.2}{max:>9.2}", median(values));
        }
    }
}
