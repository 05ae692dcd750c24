//! E: everybody times out; everybody's timer is put back. J: the longest call in the first.

use criterion::{Criterion, criterion_group, criterion_main};

use support::{harness, timers};

// What a module of the library, which `support` compiles in, looks for in its crate.
extern crate alloc;
use presence_engine as time;

mod support;

fn all(criterion: &mut Criterion) {
    timers::visit(&harness::scale(), &mut |case| harness::bench(criterion, case));
}

criterion_group! { name = benches; config = harness::config(); targets = all }
criterion_main!(benches);
