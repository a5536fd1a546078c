//! One store at several numbers of users, which take turns: what each use case takes with few and with many.
//!
//! Whatever is no store costs nothing here: passwords are hashed by a round of SHA-256, tokens are neither
//! signed nor checked, events and mails are dropped, and the clock stands still.

mod population;
mod table;
mod use_case;

pub(crate) use population::{Population, Stores};
pub(crate) use table::{Bar, Figures};
pub(crate) use use_case::{Guest, UseCase};

use anyhow::Result;

/// Users of the smallest database; each other has ten times as many as the one before.
pub(crate) const FEWEST: usize = 100;

/// Accounts that a round draws by lot of each database.
pub(crate) const GUESTS: usize = 50;

/// What the command line says: how many users at most, and how many rounds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    most: usize,
    pub(crate) rounds: usize,
}

impl Plan {
    /// Of arguments that are numbers; others are cargo's own.
    pub(crate) fn of_arguments(default_rounds: usize) -> Self {
        let mut numbers = std::env::args().skip(1).filter_map(|argument| argument.parse().ok());
        let most = numbers.next().unwrap_or(100_000).max(FEWEST);
        Self { most, rounds: numbers.next().unwrap_or(default_rounds).max(1) }
    }

    /// How many users the databases have.
    pub(crate) fn sizes(self) -> impl Iterator<Item = usize> {
        std::iter::successors(Some(FEWEST), |size| size.checked_mul(10))
            .take_while(move |size| *size <= self.most)
    }
}

/// Each round draws accounts, and leads all of them through a use case before any goes on to the next: so
/// nobody comes back to rows that were used a moment ago. Of the sizes one is asked after the other, in an
/// order of chance, so that whatever else the machine does meets all of them.
pub(crate) async fn measure(
    populations: &mut [Population],
    rounds: usize,
    figures: &mut Figures,
) -> Result<()> {
    let mut unmeasured = Figures::of_sizes(figures.sizes().to_vec());
    for round in 0..=rounds {
        // The first warms up.
        let figures = if round == 0 { &mut unmeasured } else { &mut *figures };
        let mut guests: Vec<Vec<Guest>> = populations.iter().map(Population::draw).collect();
        for use_case in UseCase::ALL.into_iter().filter(|each| *each != UseCase::SweepOfFew) {
            if use_case == UseCase::Delete {
                log_in_again(populations, &mut guests).await?;
            }
            in_turns(use_case, populations, &mut guests, figures).await?;
        }
        for (population, guests) in populations.iter_mut().zip(guests) {
            population.take_in(guests).await?;
        }
    }
    let mut guests: Vec<Vec<Guest>> = populations.iter().map(Population::draw).collect();
    in_turns(UseCase::SweepOfFew, populations, &mut guests, figures).await
}

async fn in_turns(
    use_case: UseCase,
    populations: &[Population],
    guests: &mut [Vec<Guest>],
    figures: &mut Figures,
) -> Result<()> {
    for turn in 0..GUESTS {
        let mut order: Vec<usize> = (0..populations.len()).collect();
        fastrand::shuffle(&mut order);
        for size in order {
            let guest = guests.get_mut(size).and_then(|guests| guests.get_mut(turn));
            let (Some(population), Some(guest)) = (populations.get(size), guest) else { continue };
            let taken = population.run(use_case, guest).await?;
            population.settle().await?;
            if let Some(taken) = taken {
                figures.add(use_case, size, taken);
            }
        }
    }
    Ok(())
}

/// A reset has ended their sessions.
async fn log_in_again(populations: &[Population], guests: &mut [Vec<Guest>]) -> Result<()> {
    for (population, guests) in populations.iter().zip(guests) {
        for guest in guests {
            population.run(UseCase::Login, guest).await?;
        }
    }
    Ok(())
}
