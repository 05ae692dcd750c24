//! B: subscribing, unsubscribing, and subscribing anew. G: the token bucket.

use criterion::{Criterion, criterion_group, criterion_main};

use support::{harness, requests};

// What a module of the library, which `support` compiles in, looks for in its crate.
extern crate alloc;
use presence_engine as time;

mod support;

fn all(criterion: &mut Criterion) {
    requests::visit(&harness::scale(), &mut |case| harness::bench(criterion, case));
}

criterion_group! { name = benches; config = harness::config(); targets = all }
criterion_main!(benches);
