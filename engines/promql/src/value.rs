//! What a query yields.

use std::sync::Arc;

use quarterdeck_kernel::{Labels, Timestamp};

use crate::histogram::Histogram;

/// The four types of the language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ValueType {
    /// One number per moment.
    Scalar,
    /// A text.
    String,
    /// A set of series with one sample each per moment.
    Vector,
    /// A set of series with a range of samples each per moment.
    Matrix,
}

impl ValueType {
    /// As people say it in error messages.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::String => "string",
            Self::Vector => "instant vector",
            Self::Matrix => "range vector",
        }
    }

    /// As the HTTP API writes it in `resultType`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::String => "string",
            Self::Vector => "vector",
            Self::Matrix => "matrix",
        }
    }
}

/// The value of one sample.
#[derive(Clone, Debug, PartialEq)]
pub enum PointValue {
    /// A number.
    Float(f64),
    /// A native histogram.
    Histogram(Arc<Histogram>),
}

impl PointValue {
    /// The number, if it is one.
    #[must_use]
    pub fn as_float(&self) -> Option<f64> {
        match self {
            Self::Float(v) => Some(*v),
            Self::Histogram(_) => None,
        }
    }
}

/// A sample at a moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// When.
    pub t: Timestamp,
    /// What.
    pub v: PointValue,
}

/// One element of an instant vector.
#[derive(Clone, Debug, PartialEq)]
pub struct VectorSample {
    /// Which series.
    pub labels: Labels,
    /// Its sample.
    pub point: Point,
}

/// One element of a matrix: points oldest first, never empty.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Which series.
    pub labels: Labels,
    /// Its samples.
    pub points: Vec<Point>,
}

/// The result of a query.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A number and the moment it was evaluated for.
    Scalar {
        /// Evaluation time.
        t: Timestamp,
        /// The number.
        v: f64,
    },
    /// A text.
    String {
        /// Evaluation time.
        t: Timestamp,
        /// The text.
        v: String,
    },
    /// Sorted by labels unless the query sorts.
    Vector(Vec<VectorSample>),
    /// Sorted by labels.
    Matrix(Vec<Series>),
}

impl Value {
    /// Which type it has.
    #[must_use]
    pub const fn value_type(&self) -> ValueType {
        match self {
            Self::Scalar { .. } => ValueType::Scalar,
            Self::String { .. } => ValueType::String,
            Self::Vector(_) => ValueType::Vector,
            Self::Matrix(_) => ValueType::Matrix,
        }
    }
}
