//! Orders of a few things that differ only by name: what symmetry tries.

/// An order of up to four things. Who uses it says whether it gives each thing its place or each place its thing.
pub type Order = [u8; 4];

/// Every order of four things. Those of fewer come first, and leave the rest in place; the very first changes nothing.
pub static ORDERS: [Order; 24] = [
    [0, 1, 2, 3],
    [1, 0, 2, 3],
    [0, 2, 1, 3],
    [1, 2, 0, 3],
    [2, 0, 1, 3],
    [2, 1, 0, 3],
    [0, 1, 3, 2],
    [0, 2, 3, 1],
    [0, 3, 1, 2],
    [0, 3, 2, 1],
    [1, 0, 3, 2],
    [1, 2, 3, 0],
    [1, 3, 0, 2],
    [1, 3, 2, 0],
    [2, 0, 3, 1],
    [2, 1, 3, 0],
    [2, 3, 0, 1],
    [2, 3, 1, 0],
    [3, 0, 1, 2],
    [3, 0, 2, 1],
    [3, 1, 0, 2],
    [3, 1, 2, 0],
    [3, 2, 0, 1],
    [3, 2, 1, 0],
];

/// How many of [`ORDERS`] are orders of so many things.
const LEN: [usize; 5] = [1, 1, 2, 6, 24];

/// The orders of `things`, 0 to 4.
#[inline]
pub fn orders(things: usize) -> &'static [Order] {
    &ORDERS[..LEN[things]]
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn orders_of_each_number_are_all_that_there_are() {
        for things in 0..=4 {
            let orders: HashSet<_> = orders(things).iter().collect();
            assert_eq!(orders.len(), (1..=things).product::<usize>());
            for order in orders {
                let mut sorted = *order;
                sorted[..things].sort_unstable();
                assert_eq!(sorted, [0, 1, 2, 3]);
            }
        }
    }
}
