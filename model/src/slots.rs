//! A few slots as a set: in falling order, then empty ones.
//!
//! States keep what is in flight so, lest the order of sending make a difference. An empty slot is the default value,
//! which has to be the least one.

/// What the slots hold.
#[inline]
pub fn filled<T: Copy + Default + PartialEq, const SLOTS: usize>(
    slots: [T; SLOTS],
) -> impl Iterator<Item = T> {
    slots.into_iter().take_while(|item| *item != T::default())
}

/// Puts `item` in its place; one that is there already is there once. There must be room.
#[inline]
pub fn put<T: Copy + Default + Ord, const SLOTS: usize>(slots: &mut [T; SLOTS], item: T) {
    let mut moving = item;
    for slot in slots {
        if *slot == moving {
            return;
        }
        if *slot < moving {
            std::mem::swap(slot, &mut moving);
        }
        if moving == T::default() {
            return;
        }
    }
    debug_assert!(moving == T::default(), "there is no room in the slots");
}

/// Takes `item` out, if it is there.
#[inline]
pub fn take<T: Copy + Default + PartialEq, const SLOTS: usize>(slots: &mut [T; SLOTS], item: T) {
    if let Some(found) = slots.iter().position(|slot| *slot == item) {
        slots.copy_within(found + 1.., found);
        slots[SLOTS - 1] = T::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_of_putting_makes_no_difference() {
        let mut slots = [0_u8; 4];
        for item in [3, 1, 7, 3] {
            put(&mut slots, item);
        }
        assert_eq!(slots, [7, 3, 1, 0]);
        assert!(filled(slots).eq([7, 3, 1]));
    }

    #[test]
    fn taking_closes_the_gap() {
        let mut slots = [7_u8, 5, 3, 1];
        take(&mut slots, 5);
        assert_eq!(slots, [7, 3, 1, 0]);
        take(&mut slots, 2);
        assert_eq!(slots, [7, 3, 1, 0]);
    }
}
