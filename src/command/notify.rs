//! `rosterd notify`: what people were told without asking, sending it now, and a test of whether it would arrive.

use clap::{Args, Subcommand};
use serde::Serialize;

use crate::command::output::{Tone, tell};
use crate::command::run::{DAEMON, LOOK, WAIT_FOR_COMMAND};
use crate::command::{CommandError, Session};
use crate::notice;
use crate::notify::{Delivered, Reached, Round, Target, Weeks};
use crate::secret::process_environment;

const NOBODY: &str = "nobody is to be told of anything: add a [[notify.target]] to the configuration";

/// Who is told of what without asking
#[derive(Debug, Subcommand)]
pub(super) enum Notify {
    /// The latest messages: sent, waiting, given up
    List(List),
    /// Send what waits now, as the daemon does by itself
    Send(Send),
    /// Send one message to each recipient, to see that it arrives
    Test(Test),
}

/// The latest messages
#[derive(Debug, Args)]
pub(super) struct List {
    /// How many
    #[arg(long, default_value_t = 20, value_name = "N")]
    limit: u32,
    /// With their text
    #[arg(long)]
    text: bool,
}

/// Send what waits now
#[derive(Debug, Args)]
pub(super) struct Send {
    /// Also what was given up
    #[arg(long)]
    given_up: bool,
}

/// Send one message to each recipient
#[derive(Debug, Args)]
pub(super) struct Test {
    /// To one recipient, by its `id`
    #[arg(long, value_name = "ID")]
    target: Option<String>,
}

/// One attempt, for programs.
#[derive(Serialize)]
struct Attempt<'a> {
    message: &'a str,
    recipient: &'a str,
    way: &'a str,
    subject: &'a str,
    sent: bool,
    given_up: bool,
    error: Option<&'a str>,
}

impl<'a> Attempt<'a> {
    fn of(it: &'a Delivered) -> Self {
        let error = match &it.reached {
            Reached::Sent => None,
            Reached::Again(error) | Reached::GivenUp(error) => Some(error.as_str()),
        };
        Self {
            message: &it.message,
            recipient: &it.recipient,
            way: it.way,
            subject: &it.subject,
            sent: error.is_none(),
            given_up: matches!(it.reached, Reached::GivenUp(_)),
            error,
        }
    }
}

impl Notify {
    pub(super) async fn run(&self, session: &Session) -> Result<u8, CommandError> {
        match self {
            Self::List(it) => it.run(session).await,
            Self::Send(it) => it.run(session).await,
            Self::Test(it) => it.run(session).await,
        }
    }
}

/// Exit status 1 where something was not taken.
fn told(session: &Session, made: &[Delivered]) -> Result<u8, CommandError> {
    let out = session.output;
    let failed = made.iter().any(|it| it.reached != Reached::Sent);
    if out.json {
        out.document(&made.iter().map(Attempt::of).collect::<Vec<_>>())?;
        return Ok(u8::from(failed));
    }
    for it in made {
        let (tone, word, error) = match &it.reached {
            Reached::Sent => (Tone::Good, "sent", None),
            Reached::Again(error) => (Tone::Attention, "NOT SENT", Some(error)),
            Reached::GivenUp(error) => (Tone::Bad, "GIVEN UP", Some(error)),
        };
        out.line(&format!("{:<8} {} ({}): {}", out.tone(tone, word), it.recipient, it.way, it.subject))?;
        if let Some(error) = error {
            out.line(&format!("         {error}"))?;
        }
    }
    Ok(u8::from(failed))
}

impl List {
    async fn run(&self, session: &Session) -> Result<u8, CommandError> {
        let messages = session.store().messages(self.limit).await?;
        let out = session.output;
        if out.json {
            out.document(&messages)?;
            return Ok(0);
        }
        if self.text {
            for it in &messages {
                out.line(&format!("To {}, {}, {}: {}\n\n{}", it.recipient, it.at, it.status, it.subject, it.text))?;
            }
            return Ok(0);
        }
        let row = |it: &crate::store::Delivery| {
            let what = it.error.clone().filter(|_| it.status != "sent").unwrap_or_else(|| it.subject.clone());
            vec![
                it.id.clone(),
                it.at.to_string(),
                it.recipient.clone(),
                it.status.clone(),
                it.attempts.to_string(),
                what,
            ]
        };
        out.table(&["MESSAGE", "MADE", "RECIPIENT", "STATUS", "TRIED", "WHAT"], messages.iter().map(row).collect())?;
        Ok(0)
    }
}

/// On SQLite one process at a time sends, since whoever begins takes it that every other one is dead. A command at work is waited
/// for; false where it is the daemon, which sends by itself.
async fn may_send(session: &Session) -> Result<bool, CommandError> {
    let begun = tokio::time::Instant::now();
    loop {
        match session.kept_from_work().await? {
            None => return Ok(true),
            Some(holder) if holder.contains(DAEMON) => return Ok(false),
            Some(holder) if begun.elapsed() >= WAIT_FOR_COMMAND => {
                let busy = format!("{holder} is at work on this store: send again when it has ended");
                return Err(CommandError::Failed(busy));
            }
            Some(_) => tokio::time::sleep(LOOK).await,
        }
    }
}

impl Send {
    async fn run(&self, session: &Session) -> Result<u8, CommandError> {
        let settings = &session.office.settings.notify;
        if settings.target.is_empty() {
            return Err(CommandError::Usage(NOBODY.to_owned()));
        }
        session.writable().await?;
        if self.given_up {
            session.store().revive_messages().await?;
        }
        if !may_send(session).await? {
            tell("the daemon is at work on this store and sends what waits by itself");
            return told(session, &[]);
        }
        let round = Round {
            store: session.store(),
            settings,
            support: &session.office.settings.support,
            environment: process_environment,
            now: session.as_of(),
            at_once: true,
        };
        let mut made = Vec::new();
        round.note_weeks(&mut Weeks::new()).await?;
        round.send(|it| made.push(it.clone())).await?;
        if made.is_empty() && !session.output.json {
            tell("nothing waits to be told");
        }
        told(session, &made)
    }
}

impl Test {
    async fn run(&self, session: &Session) -> Result<u8, CommandError> {
        let settings = &session.office.settings.notify;
        let wanted = |it: &&Target| self.target.as_ref().is_none_or(|id| *id == it.id);
        let targets: Vec<&Target> = settings.target.iter().filter(wanted).collect();
        if targets.is_empty() {
            let known: Vec<&str> = settings.target.iter().map(|it| it.id.as_str()).collect();
            return Err(CommandError::Usage(match &self.target {
                Some(id) if !known.is_empty() => {
                    format!("there is no [[notify.target]] `{id}`; known are: {}", known.join(", "))
                }
                _ => NOBODY.to_owned(),
            }));
        }
        let mut made = Vec::new();
        for target in targets {
            let message = notice::trial(&target.id, session.as_of());
            let sent = settings.send(target, &message, process_environment).await;
            let reached = sent.map_or_else(|error| Reached::Again(error.to_string()), |()| Reached::Sent);
            let (message, subject) = (message.id, message.subject);
            made.push(Delivered { message, recipient: target.id.clone(), way: target.way(), subject, reached });
        }
        told(session, &made)
    }
}
