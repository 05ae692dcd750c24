//! H: a day of a social network, as fast as it goes.

use criterion::{Criterion, criterion_group, criterion_main};

use support::{harness, load};

// What a module of the library, which `support` compiles in, looks for in its crate.
extern crate alloc;
use presence_engine as time;

mod support;

fn all(criterion: &mut Criterion) {
    load::visit(&harness::scale(), &mut |case| harness::bench(criterion, case));
}

criterion_group! { name = benches; config = harness::config(); targets = all }
criterion_main!(benches);
