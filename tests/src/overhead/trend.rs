//! Whether memory still grows.

/// Growth that pages coming and going can make.
const PAGES_MIB: f64 = 0.5;

/// A straight line through samples.
#[derive(Debug, Clone, Copy)]
pub struct Trend {
    /// What it rises by, from the first sample to the last.
    pub growth: f64,
    /// From the lowest sample below it to the highest above.
    pub spread: f64,
}

impl Trend {
    /// By more than the samples scatter.
    pub fn rises(&self) -> bool {
        self.growth > self.spread.max(PAGES_MIB)
    }

    #[expect(clippy::cast_precision_loss, reason = "no count here comes near 2^53")]
    pub fn of(samples: &[(u64, f64)]) -> Self {
        let points: Vec<(f64, f64)> = samples.iter().map(|(x, y)| (*x as f64, *y)).collect();
        let count = points.len().max(1) as f64;
        let mean = |value: fn(&(f64, f64)) -> f64| points.iter().map(value).sum::<f64>() / count;
        let (mean_x, mean_y) = (mean(|point| point.0), mean(|point| point.1));
        let covariance: f64 = points.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
        let variance: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
        let slope = if variance > 0.0 { covariance / variance } else { 0.0 };
        let above = points.iter().map(|(x, y)| y - mean_y - slope * (x - mean_x));
        let (least, most) = above.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), value| {
            (least.min(value), most.max(value))
        });
        let width = points.last().map_or(0.0, |last| last.0) - points.first().map_or(0.0, |first| first.0);
        Self { growth: slope * width, spread: (most - least).max(0.0) }
    }
}
