//! Which deliveries are leased next: stores by turns, and of a store its destinations by turns.
//!
//! A *lane* is what one store has for one destination in one class; a *turn* is what one store has in one class. Each
//! has a `due_at`, before which nothing of it is due. A look takes the turns that are due, the longest waiting first,
//! and of each the lanes that have room; what was served and has more goes to the end, what got
//! nothing keeps its place. So a look costs what it takes, not what waits: no statement here reads rows that it does not take, but for lanes of full destinations.
//!
//! Rules: `due_at` is never later than the earliest `next_at` of the waiting deliveries below, unless the destination
//! rests; it may be earlier, which costs one look. Whoever makes a delivery due earlier lowers both in the same
//! transaction ([`Touched`]), turns before lanes, each in the order of their keys, so that two processes never wait for
//! each other in a circle; a look waits for nobody (`SKIP LOCKED`). As both write the row, neither misses the other.
//! A leased delivery counts with its lease's end: the lane of a process that died comes up by itself.
//! When it fails: the transaction is rolled back, and nothing was leased.

use super::batch::statement;
use super::clock::LaneKey;
use super::engine::Engine;
use super::fault::StoreFault;
use super::handle::Store;
use super::queue::{self, Work};
use super::touched::{Lane, Touched};
use super::writer::{Change, Effect};
use crate::mail::Timestamp;
use crate::schedule::{Class, Left, Rooms};
use sqlx::{AnyConnection, AssertSqlSafe, Row};

/// Most stores that one look serves in a class.
const TURNS: i64 = 32;
/// Most destinations of a store that are looked at in its turn.
const LANES: i64 = 32;
/// Most lanes of a route that one change makes due.
const WOKEN_AT_ONCE: i64 = 5000;
/// Most deliveries of an older version that are adopted at once.
const ADOPTED: i64 = 500;

/// What a look asks for.
pub struct Ask {
    pub now: Timestamp,
    /// The end of the leases.
    pub until: Timestamp,
    /// Names the leases; never 0.
    pub lease: i64,
    pub rooms: Rooms,
    /// Most urgent first.
    pub classes: [Class; 3],
    pub leases: Leases,
}

/// What becomes of deliveries whose lease is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leases {
    /// They are leased like the others where the lease is over by this clock too, which all machines share: who had them is gone.
    TakenOver(Timestamp),
    /// They are left: who had them may only have been without the database, as this process was, and is about to write what
    /// became of them.
    Left,
}

/// What a look gave.
#[derive(Default)]
pub struct Claimed {
    pub work: Vec<Work>,
    /// Messages whose deliveries can't be read: they are held now.
    pub unreadable: Vec<i64>,
    /// Whether there may be more that is due and has room.
    pub more: bool,
    /// Whether a destination is full, so that the end of an attempt may make room for what is due.
    pub crowded: bool,
}

/// Statements of a look, for the test that asks the engines how they would execute them.
pub(super) mod text {
    use super::Leases;

    /// Due turns that have a lane with room. A subquery with LIMIT, unlike EXISTS, is never made a join over all lanes.
    pub fn turns(left: &str, lock: &str) -> String {
        format!(
            "SELECT t.merchant_id FROM turn t WHERE t.class = $1 AND t.due_at <= $2 AND (SELECT l.route FROM lane l \
             WHERE l.class = t.class AND l.merchant_id = t.merchant_id AND l.due_at <= $2 {left} LIMIT 1) IS NOT NULL \
             ORDER BY t.due_at LIMIT $3 {lock}"
        )
    }

    /// Due lanes of one turn that have room.
    pub fn lanes(left: &str, lock: &str) -> String {
        format!(
            "SELECT l.route FROM lane l WHERE l.class = $1 AND l.merchant_id = $2 AND l.due_at <= $3 {left} \
             ORDER BY l.due_at LIMIT $4 {lock}"
        )
    }

    /// Leases the deliveries of one lane that are due longest.
    pub fn lease(leases: Leases, lock: &str) -> String {
        let free =
            if leases == Leases::Left { "AND lease = 0 " } else { "AND (lease = 0 OR next_at <= $8) " };
        format!(
            "UPDATE delivery SET attempts = attempts + 1, lease = $1, next_at = $2, \
             doubtful = doubtful + CASE WHEN lease <> 0 THEN 1 ELSE 0 END WHERE id IN \
             (SELECT id FROM delivery WHERE state = 'waiting' AND class = $3 AND merchant_id = $4 AND route = $5 \
             AND next_at <= $6 {free}ORDER BY next_at LIMIT $7 {lock}) RETURNING id"
        )
    }

    /// When something in a lane is due next.
    pub const LANE_DUE: &str = "SELECT MIN(next_at) FROM delivery WHERE state = 'waiting' AND class = $1 \
         AND merchant_id = $2 AND route = $3";
    /// When something of a turn is due next.
    pub const TURN_DUE: &str = "SELECT MIN(due_at) FROM lane WHERE class = $1 AND merchant_id = $2";
}

/// A look under way.
struct Look<'a> {
    engine: Engine,
    connection: &'a mut AnyConnection,
    ask: &'a Ask,
    rooms: Rooms,
    leased: Vec<i64>,
    more: bool,
}

/// Leases what is due and has room.
pub(super) async fn claim(
    engine: Engine,
    connection: &mut AnyConnection,
    ask: &Ask,
) -> Result<Claimed, sqlx::Error> {
    let rooms = ask.rooms.clone();
    let mut look = Look { engine, connection, ask, rooms, leased: Vec::new(), more: false };
    for class in ask.classes {
        look.class(class.number()).await?;
    }
    let Look { connection, leased, more, rooms, .. } = look;
    let crowded = rooms.left() != Left::Out(Vec::new());
    let (work, unreadable) = queue::work(connection, &leased, ask.lease).await?;
    let unreadable = queue::hold_unreadable(connection, &unreadable, ask).await?;
    Ok(Claimed { work, unreadable, more, crowded })
}

impl Look<'_> {
    fn lock(&self, of: &str) -> String {
        match self.engine {
            Engine::Sqlite => String::new(),
            Engine::Postgres => format!("FOR UPDATE{of} SKIP LOCKED"),
        }
    }

    async fn class(&mut self, class: i64) -> Result<(), sqlx::Error> {
        if self.rooms.limit() == 0 {
            return Ok(());
        }
        let left = self.rooms.left();
        let (clause, routes) = clause(&left, 4);
        let text = text::turns(&clause, &self.lock(" OF t"));
        let mut query =
            sqlx::query(AssertSqlSafe(text)).bind(class).bind(self.ask.now.as_millis()).bind(TURNS);
        for route in routes {
            query = query.bind(*route);
        }
        let rows = query.fetch_all(&mut *self.connection).await?;
        self.more |= i64::try_from(rows.len()).is_ok_and(|count| count >= TURNS);
        for (served, row) in rows.iter().enumerate() {
            let stores = rows.len() - served;
            // What is left is shared out among the stores that are still to come.
            let share = self.rooms.limit().div_ceil(stores);
            if share == 0 {
                break;
            }
            self.turn(class, row.try_get(0)?, share).await?;
        }
        Ok(())
    }

    async fn turn(&mut self, class: i64, merchant: i64, mut share: usize) -> Result<(), sqlx::Error> {
        let left = self.rooms.left();
        let (clause, routes) = clause(&left, 5);
        let mut query = sqlx::query(AssertSqlSafe(text::lanes(&clause, &self.lock(""))))
            .bind(class)
            .bind(merchant)
            .bind(self.ask.now.as_millis())
            .bind(LANES);
        for route in routes {
            query = query.bind(*route);
        }
        let rows = query.fetch_all(&mut *self.connection).await?;
        self.more |= i64::try_from(rows.len()).is_ok_and(|count| count >= LANES);
        let mut has_tried = false;
        for row in &rows {
            let lane = Lane { class, merchant_id: merchant, route: row.try_get(0)? };
            if let Some(until) = self.rooms.rests_until(lane.route) {
                self.set_lane(lane, until).await?;
                continue;
            }
            let count = self.rooms.of(lane.route).min(share);
            if count == 0 {
                continue;
            }
            has_tried = true;
            let taken = self.lane(lane, count).await?;
            share -= taken.min(share);
            self.rooms.take(lane.route, taken);
        }
        // Others had to have their share first; the next look gives it more.
        self.more |= share == 0;
        let due: Option<i64> = sqlx::query(text::TURN_DUE)
            .bind(class)
            .bind(merchant)
            .fetch_one(&mut *self.connection)
            .await?
            .try_get(0)?;
        let now = self.ask.now.as_millis();
        // Who got nothing, because those before it took the last room, keeps its place.
        if !has_tried && due.is_some_and(|due| due <= now) {
            return Ok(());
        }
        let text = match due {
            Some(_) => "UPDATE turn SET due_at = $3 WHERE class = $1 AND merchant_id = $2",
            None => "DELETE FROM turn WHERE class = $1 AND merchant_id = $2",
        };
        let mut query = sqlx::query(text).bind(class).bind(merchant);
        if let Some(due) = due {
            query = query.bind(due.max(now));
        }
        query.execute(&mut *self.connection).await?;
        Ok(())
    }

    /// Leases up to `count` deliveries of a lane, and sends it to the end. How many.
    async fn lane(&mut self, lane: Lane, count: usize) -> Result<usize, sqlx::Error> {
        let mut query = sqlx::query(AssertSqlSafe(text::lease(self.ask.leases, &self.lock(""))))
            .bind(self.ask.lease)
            .bind(self.ask.until.as_millis())
            .bind(lane.class)
            .bind(lane.merchant_id)
            .bind(lane.route)
            .bind(self.ask.now.as_millis())
            .bind(i64::try_from(count).unwrap_or(i64::MAX));
        if let Leases::TakenOver(over_by) = self.ask.leases {
            query = query.bind(over_by.as_millis());
        }
        let rows = query.fetch_all(&mut *self.connection).await?;
        for row in &rows {
            self.leased.push(row.try_get(0)?);
        }
        let due: Option<i64> = sqlx::query(text::LANE_DUE)
            .bind(lane.class)
            .bind(lane.merchant_id)
            .bind(lane.route)
            .fetch_one(&mut *self.connection)
            .await?
            .try_get(0)?;
        match due {
            Some(due) => self.set_lane(lane, Timestamp::from_millis(due).max(self.ask.now)).await?,
            None => {
                sqlx::query("DELETE FROM lane WHERE class = $1 AND merchant_id = $2 AND route = $3")
                    .bind(lane.class)
                    .bind(lane.merchant_id)
                    .bind(lane.route)
                    .execute(&mut *self.connection)
                    .await?;
            }
        }
        Ok(rows.len())
    }

    async fn set_lane(&mut self, lane: Lane, due: Timestamp) -> Result<(), sqlx::Error> {
        sqlx::query("UPDATE lane SET due_at = $4 WHERE class = $1 AND merchant_id = $2 AND route = $3")
            .bind(lane.class)
            .bind(lane.merchant_id)
            .bind(lane.route)
            .bind(due.as_millis())
            .execute(&mut *self.connection)
            .await?;
        Ok(())
    }
}

/// The condition on `l.route`, its parameters numbered from `first`.
fn clause(left: &Left, first: usize) -> (String, &[i64]) {
    let (word, routes) = match left {
        Left::Out(routes) if routes.is_empty() => return (String::new(), routes),
        Left::Out(routes) => ("NOT IN", routes),
        // What the operator moved shares no room with anybody; whether it has any is seen when it is met.
        Left::Only(routes) if routes.is_empty() => return (String::from("AND l.route < 0"), routes),
        Left::Only(routes) => ("< 0 OR l.route IN", routes),
    };
    let places: Vec<String> = (first..).take(routes.len()).map(|place| format!("${place}")).collect();
    (format!("AND (l.route {word} ({}))", places.join(", ")), routes)
}

/// Gives deliveries that an older version wrote their place in a lane. How many.
pub(super) async fn adopt(
    engine: Engine,
    connection: &mut AnyConnection,
    touched: &mut Touched<'_>,
    now: Timestamp,
) -> Result<u64, sqlx::Error> {
    let lock = match engine {
        Engine::Sqlite => "",
        Engine::Postgres => "FOR UPDATE OF d SKIP LOCKED",
    };
    let text = format!(
        "SELECT d.id, m.merchant_id, m.direction, d.route, d.next_at FROM delivery d JOIN message m ON m.id = d.message_id \
         WHERE d.state = 'waiting' AND d.class IS NULL LIMIT $1 {lock}"
    );
    let rows = sqlx::query(AssertSqlSafe(text)).bind(ADOPTED).fetch_all(&mut *connection).await?;
    for row in &rows {
        let direction: String = row.try_get(2)?;
        let class = if direction == "notice" { Class::Notice } else { Class::Order }.number();
        let lane = Lane { class, merchant_id: row.try_get(1)?, route: row.try_get(3)? };
        touched.touch(lane, Timestamp::from_millis(row.try_get(4)?));
        sqlx::query("UPDATE delivery SET class = $1, merchant_id = $2, look_at = $3 WHERE id = $4")
            .bind(lane.class)
            .bind(lane.merchant_id)
            .bind(now.as_millis())
            .bind(row.try_get::<i64, _>(0)?)
            .execute(&mut *connection)
            .await?;
    }
    Ok(u64::try_from(rows.len()).unwrap_or(u64::MAX))
}

/// Makes lanes of these routes due that rest, at most [`WOKEN_AT_ONCE`] of each. How many, and whether there may be more.
pub(super) async fn wake(
    connection: &mut AnyConnection,
    touched: &mut Touched<'_>,
    routes: &[i64],
    now: Timestamp,
) -> Result<Woken, sqlx::Error> {
    let mut woken = Woken::default();
    for route in routes {
        let rows = sqlx::query(
            "SELECT class, merchant_id, route FROM lane WHERE route = $1 AND due_at > $2 LIMIT $3",
        )
        .bind(*route)
        .bind(now.as_millis())
        .bind(WOKEN_AT_ONCE)
        .fetch_all(&mut *connection)
        .await?;
        for row in &rows {
            touched.touch_row(row, 0, now)?;
            woken.lanes += 1;
        }
        woken.more |= i64::try_from(rows.len()).is_ok_and(|count| count >= WOKEN_AT_ONCE);
    }
    Ok(woken)
}

/// The same for the routes that a word of the board names.
pub(super) async fn wake_those(
    connection: &mut AnyConnection,
    touched: &mut Touched<'_>,
    routes: &Left,
    after: LaneKey,
    now: Timestamp,
) -> Result<Woken, sqlx::Error> {
    let own = match routes {
        Left::Only(routes) => return wake(connection, touched, routes, now).await,
        Left::Out(own) => own,
    };
    // The configuration names these, so they are few. A route below zero was chosen for one mail.
    let own: Vec<i64> = own.iter().copied().chain([-1]).collect();
    let text = statement(
        Engine::of(connection),
        "SELECT class, merchant_id, route, due_at FROM lane WHERE route NOT IN (",
        "?",
        own.len(),
        ") AND (class, merchant_id, route) > (?, ?, ?) AND route >= 0 ORDER BY class, merchant_id, route LIMIT ?",
    );
    let mut query = sqlx::query(AssertSqlSafe(text));
    for route in own {
        query = query.bind(route);
    }
    let query = query.bind(after.0).bind(after.1).bind(after.2);
    let rows = query.bind(WOKEN_AT_ONCE).fetch_all(&mut *connection).await?;
    let mut woken = Woken::default();
    for row in &rows {
        if row.try_get::<i64, _>(3)? > now.as_millis() {
            touched.touch_row(row, 0, now)?;
            woken.lanes += 1;
        }
    }
    woken.more = i64::try_from(rows.len()).is_ok_and(|count| count >= WOKEN_AT_ONCE);
    if let Some(last) = rows.last() {
        woken.last = (last.try_get(0)?, last.try_get(1)?, last.try_get(2)?);
    }
    Ok(woken)
}

/// What a wake came to.
#[derive(Debug, Default, Clone, Copy)]
pub struct Woken {
    pub lanes: u64,
    pub more: bool,
    /// Behind which the next lot begins.
    pub(super) last: LaneKey,
}

impl Store {
    /// Makes what rests for these routes due. How many lanes.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn wake(&self, routes: Left, now: Timestamp) -> Result<u64, StoreFault> {
        let (mut lanes, mut after) = (0, (i64::MIN, i64::MIN, i64::MIN));
        // A destination of a hundred thousand stores is woken in lots, so that no transaction holds up the writer.
        while let Effect::Woken(woken) =
            self.change(Change::Wake { routes: routes.clone(), after, now }).await?
        {
            (lanes, after) = (lanes + woken.lanes, woken.last);
            self.ring();
            if !woken.more {
                break;
            }
        }
        Ok(lanes)
    }
}

#[cfg(test)]
mod tests;
