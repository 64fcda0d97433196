//! Which chart is looked at.

/// A chart of one service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum View {
    /// Percentiles over time.
    #[default]
    Latency,
    /// How many requests took how long.
    Heatmap,
    /// The part of requests within the threshold.
    Within,
    /// Requests per second.
    Rate,
    /// Failed requests.
    Errors,
}

impl View {
    pub(super) const ALL: [Self; 5] = [Self::Latency, Self::Heatmap, Self::Within, Self::Rate, Self::Errors];

    /// The word in rules, file names and what is remembered.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Latency => "latency",
            Self::Heatmap => "heatmap",
            Self::Within => "attainment",
            Self::Rate => "throughput",
            Self::Errors => "errors",
        }
    }

    /// The slot in which it is drawn as a file.
    pub(super) const fn slot(self) -> &'static str {
        match self {
            Self::Latency | Self::Heatmap => "plot-latency",
            Self::Within => "plot-attainment",
            Self::Rate => "plot-throughput",
            Self::Errors => "plot-errors",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|view| view.name() == name)
    }

    /// Whether it tells about time taken, and so stands at the left where throughput and errors have places of their own.
    pub(super) const fn is_latency(self) -> bool {
        matches!(self, Self::Latency | Self::Heatmap | Self::Within)
    }

    /// The next of those that `fit` takes.
    pub(super) fn next(self, fit: impl Fn(Self) -> bool) -> Self {
        let at = Self::ALL.iter().position(|view| *view == self).unwrap_or(0);
        (1..=Self::ALL.len())
            .map(|by| Self::ALL[(at + by) % Self::ALL.len()])
            .find(|view| fit(*view))
            .unwrap_or(self)
    }
}
