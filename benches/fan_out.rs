//! A: one user's change told to many, against the floor, the rival with numbers for ids, and the
//! naive rival with texts.

use core::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

use support::floors::gather;
use support::naive::Naive;
use support::world::World;
use support::{Random, fan_out, harness};

// What a module of the library, which `support` compiles in, looks for in its crate.
extern crate alloc;
use presence_engine as time;

mod support;

fn all(criterion: &mut Criterion) {
    sizes(criterion);
    fan_out::visit(&harness::scale(), &mut |case| harness::bench(criterion, case));
}

/// Crowds from one watcher to everybody, of a million users.
fn sizes(criterion: &mut Criterion) {
    let users = harness::scale().of(1_000_000);
    for watchers in [1, 100, 10_000, 1_000_000] {
        let order = Random::new(watchers as u64).shuffled(users);
        // The last is watched, and watches nobody.
        let watchers = &order[..watchers.min(users - 1)];
        let target = order[users - 1];
        let mut group = criterion.benchmark_group("fan_out");
        group.throughput(Throughput::Elements(watchers.len() as u64));

        let table: Vec<u64> = (0..users as u64).collect();
        let mut told = Vec::new();
        group.bench_function(BenchmarkId::new("floor", watchers.len()), |bencher| {
            bencher.iter(|| {
                gather(&table, watchers, &mut told);
                black_box(told.len())
            });
        });

        let mut world = World::online(users);
        for &watcher in watchers {
            world.subscribe(watcher, &[u64::from(target)]);
        }
        let session = world.sessions[target as usize];
        assert_eq!(world.change_status(session, 0), watchers.len() + 1);
        let mut nth = 0;
        group.bench_function(BenchmarkId::new("engine", watchers.len()), |bencher| {
            bencher.iter(|| {
                nth += 1;
                black_box(world.change_status(session, nth))
            });
        });
        drop(world);

        let mut naive = naive_world(users, watchers, target);
        let session = u64::from(target);
        naive.set_status(session, "a", &mut told);
        assert_eq!(told.len(), watchers.len() + 1);
        group.bench_function(BenchmarkId::new("naive", watchers.len()), |bencher| {
            bencher.iter(|| {
                naive.set_status(session, "b", &mut told);
                black_box(told.len())
            });
        });
        group.finish();
    }
}

/// Users by name, each with the session of his number.
fn naive_world(users: usize, watchers: &[u32], target: u32) -> Naive {
    let name = |user: u32| format!("user{user}");
    let mut naive = Naive::default();
    for user in 0..users as u32 {
        naive.login(&name(user), u64::from(user));
    }
    for &watcher in watchers {
        naive.subscribe(u64::from(watcher), &[name(target)], 200);
    }
    naive
}

criterion_group! { name = benches; config = harness::config(); targets = all }
criterion_main!(benches);
