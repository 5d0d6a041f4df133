//! The classes of mail. Notices go first: they are few, small and say what became of a mail. Mail about one order goes
//! before mail to many.
//!
//! Rules: a lower class is never starved: of ten picks two begin with orders and one with bulk.

/// Which deliveries go before which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Our own words about a message.
    Notice,
    /// A message to one recipient.
    Order,
    /// A message to many, or one whose program says so (Precedence, List-Id, List-Unsubscribe).
    Bulk,
}

impl Class {
    /// Most urgent first.
    pub const ALL: [Class; 3] = [Class::Notice, Class::Order, Class::Bulk];

    /// The number in the database.
    #[must_use]
    pub fn number(self) -> i64 {
        match self {
            Class::Notice => 0,
            Class::Order => 1,
            Class::Bulk => 2,
        }
    }

    /// The word for people.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Class::Notice => "notice",
            Class::Order => "order",
            Class::Bulk => "bulk",
        }
    }

    /// The class of a number; what no version wrote counts as an order.
    #[must_use]
    pub fn of(number: i64) -> Self {
        match number {
            0 => Class::Notice,
            2 => Class::Bulk,
            _ => Class::Order,
        }
    }

    /// The order in which the classes are asked at the `turn`-th pick.
    #[must_use]
    pub fn in_turn(turn: u64) -> [Class; 3] {
        match turn % 10 {
            9 => [Class::Bulk, Class::Order, Class::Notice],
            4 | 7 => [Class::Order, Class::Bulk, Class::Notice],
            _ => Class::ALL,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_class_is_first_now_and_then_and_has_a_number_of_its_own() {
        for class in Class::ALL {
            assert!((0..10).any(|turn| Class::in_turn(turn)[0] == class));
            assert_eq!(Class::of(class.number()), class);
        }
    }
}
