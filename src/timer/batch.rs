//! What is due at one moment, to be fired in the order of its ranks.
//!
//! # Invariants
//!
//! 1. The front is sorted, lowest rank last, and empty while there are runs. A run is sorted; a
//!    chain of runs is too, and its lowest waiting rank is among the heads.
//! 2. `len` counts what waits: what is incoming, the front, and the unread rest of each run.
//!
//! # Why runs
//!
//! A million owners may be due at once, and neither collecting nor sorting them may take longer
//! than a call is allowed to work. So they are sorted in runs as they come in, and merged as they
//! go out: each push and each pop is little work. A run that follows another in order is chained
//! to it, so that what comes in sorted is not merged at all. What is few enough for one run, as
//! nearly always, is the front, and needs no merging either.

use alloc::collections::BinaryHeap;
use alloc::collections::binary_heap::PeekMut;
use alloc::vec::Vec;
use core::cmp::Reverse;

use crate::timer::Owner;

/// What is due at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Batch {
    incoming: Vec<(u64, Owner)>,
    front: Vec<(u64, Owner)>,
    runs: Vec<Run>,
    /// The lowest rank that waits in each chain, with the run in which it is.
    heads: BinaryHeap<Reverse<(u64, usize)>>,
    len: usize,
}

#[derive(Clone, Debug)]
struct Run {
    items: Vec<(u64, Owner)>,
    read: usize,
    /// The run that follows in order.
    next: Option<usize>,
}

/// How many owners are sorted together.
const RUN_LEN: usize = 1_024;

impl Batch {
    /// Adds an owner. Ranks differ.
    pub(crate) fn push(&mut self, rank: u64, owner: Owner) {
        self.incoming.push((rank, owner));
        self.len += 1;
        if self.incoming.len() >= RUN_LEN {
            self.close_run();
        }
    }

    /// Takes out the owner of the lowest rank.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<Owner> {
        if self.runs.is_empty() && (self.incoming.is_empty() || self.front.is_empty()) {
            if self.front.is_empty() {
                core::mem::swap(&mut self.front, &mut self.incoming);
                self.front.sort_unstable_by_key(|&(rank, _)| Reverse(rank));
            }
            let (_, owner) = self.front.pop()?;
            self.len -= 1;
            return Some(owner);
        }
        self.pop_run()
    }

    fn pop_run(&mut self) -> Option<Owner> {
        if !self.incoming.is_empty() {
            self.close_run();
        }
        let mut head = self.heads.peek_mut()?;
        let nth = head.0.1;
        let run = &mut self.runs[nth];
        let (_, owner) = run.items[run.read];
        run.read += 1;
        if let Some(&(rank, _)) = run.items.get(run.read) {
            head.0.0 = rank;
            drop(head);
        } else {
            let (spent, next) = (core::mem::take(&mut run.items), run.next);
            match next.and_then(|next| Some((self.runs[next].items.first()?.0, next))) {
                Some(first) => {
                    head.0 = first;
                    drop(head);
                }
                None => drop(PeekMut::pop(head)),
            }
            self.reuse(spent);
        }
        self.len -= 1;
        if self.len == 0 {
            self.runs.clear();
        }
        Some(owner)
    }

    /// Walks up to `count` of those who are next or soon, in no order, to be called for. Nobody is
    /// incoming.
    #[inline]
    pub(crate) fn coming(&self, count: usize) -> impl Iterator<Item = Owner> + Clone {
        let (mut only, mut heads) = (&self.front[self.front.len().saturating_sub(count)..], 0);
        match self.heads.peek() {
            // One of each chain is near the top.
            Some(_) if self.heads.len() > 1 => heads = count,
            Some(Reverse((_, nth))) => {
                let Run { items, read, .. } = &self.runs[*nth];
                only = &items[*read..items.len().min(read + count)];
            }
            None => {}
        }
        let heads = self.heads.iter().take(heads).map(|Reverse((_, nth))| {
            let Run { items, read, .. } = &self.runs[*nth];
            items[*read].1
        });
        only.iter().map(|&(_, owner)| owner).chain(heads)
    }

    /// Returns how many owners are waiting.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn check_invariants(&self) -> Result<(), &'static str> {
        let unread = self.runs.iter().map(|run| run.items.len() - run.read.min(run.items.len()));
        let in_order = self.incoming.len() + self.front.len();
        if self.len != in_order + unread.sum::<usize>() {
            return Err("batch 2: the length does not count what waits");
        }
        let is_sorted = self.runs.iter().all(|run| run.items.is_sorted())
            && self.front.iter().rev().is_sorted()
            && (self.front.is_empty() || self.runs.is_empty());
        let heads_wait = self.heads.iter().all(|Reverse((rank, nth))| {
            let run = &self.runs[*nth];
            run.items.get(run.read).is_some_and(|(waiting, _)| waiting == rank)
        });
        if !is_sorted || !heads_wait || self.heads.is_empty() != (self.len == in_order) {
            return Err("batch 1: a head is not the lowest waiting rank of a sorted chain");
        }
        Ok(())
    }

    fn close_run(&mut self) {
        if !self.front.is_empty() {
            let mut items = core::mem::take(&mut self.front);
            items.reverse();
            self.add_run(items);
        }
        let mut items = core::mem::take(&mut self.incoming);
        items.sort_unstable_by_key(|&(rank, _)| rank);
        self.add_run(items);
    }

    fn add_run(&mut self, items: Vec<(u64, Owner)>) {
        let Some(&(first, _)) = items.first() else { return };
        let nth = self.runs.len();
        match self.runs.last_mut() {
            Some(last) if last.items.last().is_some_and(|&(rank, _)| rank < first) => {
                last.next = Some(nth);
            }
            _ => self.heads.push(Reverse((first, nth))),
        }
        self.runs.push(Run { items, read: 0, next: None });
    }

    /// Keeps a spent buffer for what comes in next.
    fn reuse(&mut self, mut spent: Vec<(u64, Owner)>) {
        if self.incoming.capacity() == 0 {
            spent.clear();
            self.incoming = spent;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(batch: &mut Batch, ranks: impl Iterator<Item = usize>) {
        ranks.for_each(|rank| batch.push(rank as u64, Owner::Session(rank as u32)));
        assert_eq!(batch.check_invariants(), Ok(()));
    }

    #[test]
    fn a_few_are_no_run() {
        let mut batch = Batch::default();
        push(&mut batch, (0..10).rev());
        assert_eq!(batch.pop(), Some(Owner::Session(0)));
        assert!(batch.runs.is_empty());
        // Somebody late, who has to be merged with those who wait.
        push(&mut batch, 10..11);
        assert!(batch.runs.is_empty());
        assert!((1..11).all(|rank| batch.pop() == Some(Owner::Session(rank))));
    }

    #[test]
    fn sorted_runs_are_one_chain_and_their_buffers_are_used_again() {
        let mut batch = Batch::default();
        push(&mut batch, 0..4 * RUN_LEN);
        assert_eq!((batch.runs.len(), batch.heads.len(), batch.incoming.capacity()), (4, 1, 0));
        for rank in 0..=RUN_LEN {
            assert_eq!(batch.pop(), Some(Owner::Session(rank as u32)));
        }
        assert!(batch.incoming.capacity() >= RUN_LEN);
        push(&mut batch, 5 * RUN_LEN..6 * RUN_LEN);
        push(&mut batch, 4 * RUN_LEN..5 * RUN_LEN);
        assert_eq!((batch.runs.len(), batch.heads.len()), (6, 2));
        for rank in RUN_LEN + 1..6 * RUN_LEN {
            assert_eq!(batch.pop(), Some(Owner::Session(rank as u32)));
        }
        assert_eq!((batch.len(), batch.runs.len()), (0, 0));
    }
}
