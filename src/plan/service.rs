//! One service's lane: from whatever is there to the one container that should
//! run, never two at once, the old one kept until the new one is well.
//!
//! The names of a role's containers carry where a replacement stands, so that
//! a controller killed between any two calls finds its way from what it sees:
//!
//! | name | meaning |
//! |---|---|
//! | `<instance>-<role>` | the one that runs |
//! | `….next` | prepared and validated, never started |
//! | `….prev` | stopped, kept until the running one is healthy |
//! | `….failed` | a replacement that did not come up, kept for its logs |
//! | `….check` | a throw-away that tries a configuration out |

use std::collections::BTreeMap;

use jiff::SignedDuration;

use super::ground::{name_taken, volumes_left};
use super::image::{Resolution, is_simulated, resolve};
use super::{
    Action, Breaker, Differences, Disruption, Health, Lane, Observed, Plan, Policy, PullState,
    StartFailure, Step, Wait, differences,
};
use crate::desired::{ContainerSpec, MountSource, Target, labels};
use crate::engine::{ContainerFacts, ContainerState, EngineCall, EngineFacts, PortHolder};
use crate::model::{Digest, Issue, IssueCode, Role, Severity};

/// After this many restarts by the engine a replacement counts as failed
/// without waiting for its time to start to run out.
const RESTARTS_THAT_CONDEMN: i64 = 2;

/// How long nobody has to have been live: an encoder whose connection broke is
/// back within seconds, and its viewers wait for it.
const QUIET: SignedDuration = SignedDuration::from_mins(1);

/// How long Traefik may take to load a file before it is reminded by SIGHUP,
/// and how long before people are told, in seconds.
const LOAD_REMINDER_S: i64 = 1;
const LOAD_DEADLINE_S: i64 = 5;

/// Milliseconds a throw-away has to survive: Traefik ends within about one
/// second if its static file is wrong (contract, section 3).
const TRY_OUT_MS: u64 = 1_500;

/// The containers of one role, sorted by what their names say.
#[derive(Default)]
struct Seen<'a> {
    main: Option<&'a ContainerFacts>,
    next: Option<&'a ContainerFacts>,
    prev: Option<&'a ContainerFacts>,
    failed: Option<&'a ContainerFacts>,
    /// Ours, under a name that is none of the above.
    strays: Vec<&'a ContainerFacts>,
    /// Not ours, under one of these names.
    squatter: Option<&'a ContainerFacts>,
}

/// Everything one lane is decided from.
struct Ctx<'a> {
    target: &'a Target,
    observed: &'a Observed,
    engine: &'a EngineFacts,
    policy: &'a Policy,
    role: Role,
    spec: &'a ContainerSpec,
    want: Digest,
    name: String,
    seen: Seen<'a>,
    steps: Vec<Step>,
    issues: Vec<Issue>,
    /// What the lane still waits for when everything else is done.
    pending: Option<(String, Wait)>,
}

/// Adds the lane of `role` to the plan.
pub(super) fn lane(
    target: &Target,
    observed: &Observed,
    engine: &EngineFacts,
    policy: &Policy,
    role: Role,
    plan: &mut Plan,
) {
    let Some(spec) = target.container(role) else {
        return;
    };
    let mut ctx = Ctx {
        target,
        observed,
        engine,
        policy,
        role,
        spec,
        want: spec.digest(),
        name: target.container_name(role),
        seen: seen(target, observed, engine, role),
        steps: Vec::new(),
        issues: Vec::new(),
        pending: None,
    };
    ctx.decide();
    if let Some((why, wait)) = ctx.pending.take() {
        ctx.hold(&why, wait);
    }
    plan.steps.append(&mut ctx.steps);
    plan.issues.append(&mut ctx.issues);
}

/// Whether we made it: our label, and a name of ours or a recorded id.
fn is_ours(target: &Target, observed: &Observed, facts: &ContainerFacts) -> bool {
    facts.labels.get(labels::INSTANCE) == Some(&target.instance)
        && (observed.made.contains_key(&facts.id)
            || Role::ALL.iter().any(|role| {
                facts
                    .name
                    .strip_prefix(&target.container_name(*role))
                    .is_some_and(|rest| {
                        matches!(rest, "" | ".next" | ".prev" | ".failed" | ".check")
                    })
                    && facts.labels.get(labels::ROLE).is_some_and(|label| {
                        label == role.as_str() || (rest_is_check(&facts.name) && label == "check")
                    })
            }))
}

fn rest_is_check(name: &str) -> bool {
    name.ends_with(".check")
}

fn seen<'a>(target: &Target, observed: &Observed, engine: &'a EngineFacts, role: Role) -> Seen<'a> {
    let main = target.container_name(role);
    let mut seen = Seen::default();
    for facts in &engine.containers {
        let rest = facts.name.strip_prefix(&main);
        if !is_ours(target, observed, facts) {
            if matches!(rest, Some("" | ".next" | ".prev" | ".failed" | ".check")) {
                seen.squatter = Some(facts);
            }
            continue;
        }
        match rest {
            Some("") => seen.main = Some(facts),
            Some(".next") => seen.next = Some(facts),
            Some(".prev") => seen.prev = Some(facts),
            Some(".failed") => seen.failed = Some(facts),
            Some(".check") => seen.strays.push(facts),
            // Renamed by hand: the record, not the label, says whose it is.
            _ if observed.made.get(&facts.id) == Some(&role) => seen.strays.push(facts),
            _ => {}
        }
    }
    seen
}

/// Containers that carry our labels without being ours: told, never touched.
pub(super) fn look_alikes(
    target: &Target,
    observed: &Observed,
    engine: &EngineFacts,
    issues: &mut Vec<Issue>,
) {
    for facts in &engine.containers {
        if facts.labels.get(labels::INSTANCE) == Some(&target.instance)
            && !is_ours(target, observed, facts)
        {
            issues.push(Issue {
                code: IssueCode::LookAlike,
                severity: Severity::Warning,
                role: None,
                subject: facts.name.clone(),
                what: format!("The container {} carries our labels, but we did not make it", facts.name),
                why: "It was copied from one of ours, or made by hand".into(),
                fix: format!(
                    "Nothing of ours is affected; remove it when nobody needs it: `docker rm -f {}`",
                    facts.name
                ),
            });
        }
    }
}

impl Ctx<'_> {
    fn decide(&mut self) {
        if let Some(squatter) = self.seen.squatter {
            let issue = name_taken("container", &squatter.name, "docker rm -f");
            self.issues.push(Issue {
                role: Some(self.role),
                ..issue
            });
            self.hold("its name is taken", Wait::Person);
            return;
        }
        self.clear_strays();
        self.still_the_kept();
        let image = self.image();
        let blocked = self.blocked();
        // What cannot be brought up now: keep what there is.
        let held = image.is_none() || blocked;
        match (self.seen.main, self.seen.next, self.seen.prev) {
            (Some(main), ..) => self.with_main(main, image.as_deref(), held),
            // Killed between two renames, or the new one was removed by hand.
            (None, Some(next), _) if !held && self.is_current(next, image.as_deref()) => {
                self.rename(next, self.name.clone(), "it is the prepared replacement");
                self.start(&next.id, "it is the prepared replacement");
                self.await_health();
            }
            (None, next, Some(prev)) if held || next.is_none() => {
                if let Some(next) = next {
                    self.remove(next, "it is a replacement that is not wanted any more");
                }
                self.rename(prev, self.name.clone(), "the one that should run is gone");
                self.start(&prev.id, "the one that should run is gone");
                self.await_health();
            }
            (None, next, _) => {
                if let Some(next) = next {
                    self.remove(next, "it is a replacement that is not wanted any more");
                }
                if let Some(id) = image.filter(|_| !blocked) {
                    self.create_and_start(&id);
                } else if blocked {
                    self.hold_for_failure();
                }
            }
        }
    }

    /// Removes throw-aways and doubles; brings back the one that was renamed.
    fn clear_strays(&mut self) {
        let strays = std::mem::take(&mut self.seen.strays);
        for stray in strays {
            if rest_is_check(&stray.name) {
                self.remove(stray, "a throw-away was left behind");
            } else if self.seen.main.is_none() {
                self.rename(stray, self.name.clone(), "it was renamed by hand");
                self.seen.main = Some(stray);
            } else {
                self.remove(stray, "there is another container for the same role");
            }
        }
    }

    /// What is kept aside must not run beside the one that should.
    fn still_the_kept(&mut self) {
        let alone = self.seen.main.is_none() && self.seen.next.is_none();
        let kept = [
            self.seen.next,
            self.seen.failed,
            self.seen.prev.filter(|_| !alone),
        ];
        for facts in kept.into_iter().flatten() {
            self.stop(
                facts,
                Disruption::None,
                None,
                "it is only kept, not meant to run",
            );
        }
    }

    /// The id to create from; `None` while it is not here (steps and issues
    /// say so).
    fn image(&mut self) -> Option<String> {
        let want = &self.spec.image;
        match resolve(want, self.engine) {
            Resolution::Here {
                id,
                record,
                moved_to,
            } => {
                if let Some(pin) = record {
                    self.push(
                        Action::PinImage {
                            reference: want.reference.clone(),
                            id: pin.id,
                            digest: pin.digest,
                        },
                        "so that the same image is used from now on",
                        Disruption::None,
                    );
                }
                if moved_to.is_some() {
                    self.issue(
                        IssueCode::ImageMoved,
                        Severity::Notice,
                        format!("The tag {} names another image by now", want.reference),
                        "It was pulled or built anew on this host".into(),
                        "Nothing changes until you say so: `colourstream apply --update-images` takes it up".into(),
                    );
                }
                if let Some(image) = self.engine.images.values().find(|image| image.id == id)
                    && is_simulated(image)
                {
                    self.issue(
                        IssueCode::Simulated,
                        Severity::Notice,
                        format!("{} is simulated", self.role.title()),
                        format!(
                            "The image {} on this host is a stand-in for tests",
                            want.reference
                        ),
                        format!("Pull the real one: `docker pull {}`", want.reference),
                    );
                }
                Some(id)
            }
            Resolution::Absent { reference, by_tag } => {
                let given_up = matches!(
                    self.observed.pulls.get(&reference),
                    Some(PullState::Failed { .. })
                );
                match by_tag {
                    // Restored on another host, where the images were loaded
                    // from files: nothing here is of the recorded one.
                    Some(pin) if given_up && self.is_nowhere() => {
                        let id = pin.id.clone();
                        self.push(
                            Action::PinImage {
                                reference: want.reference.clone(),
                                id: pin.id,
                                digest: pin.digest,
                            },
                            "the recorded image cannot be had, no container is of it, and its tag names this one here",
                            Disruption::None,
                        );
                        Some(id)
                    }
                    by_tag => {
                        self.pull(reference, by_tag.is_some());
                        None
                    }
                }
            }
        }
    }

    /// Whether the role has no container at all.
    const fn is_nowhere(&self) -> bool {
        let seen = &self.seen;
        seen.main.is_none() && seen.next.is_none() && seen.prev.is_none() && seen.failed.is_none()
    }

    fn pull(&mut self, reference: String, tag_is_here: bool) {
        let why = format!("the image {reference} is not on this host");
        let wait = match self.observed.pulls.get(&reference) {
            Some(PullState::Running { .. }) => Wait::Pull { reference },
            Some(PullState::Failed { reason, retry_at }) if self.policy.now < *retry_at => {
                let other = if tag_is_here {
                    "take up the one its tag names here (`colourstream apply --update-images`), "
                } else {
                    ""
                };
                self.issue(
                    IssueCode::ImageMissing,
                    Severity::Error,
                    format!("The image {reference} cannot be had"),
                    reason.clone(),
                    format!(
                        "Pull it by hand (`docker pull {reference}`), load it from a file (`docker load`), {other}or correct `images` in the settings; tried again by itself"
                    ),
                );
                Wait::Until { at: *retry_at }
            }
            Some(PullState::Failed { .. }) | None => {
                self.push(
                    Action::Pull {
                        reference: reference.clone(),
                    },
                    &why,
                    Disruption::None,
                );
                Wait::Pull { reference }
            }
        };
        // What is there goes on meanwhile; only what needs the image waits.
        self.pending = Some((why, wait));
    }

    /// Whether the wanted specification failed before and its time to be
    /// tried again has not come.
    fn blocked(&mut self) -> bool {
        let Some(failure) = self.observed.failures.get(&self.role) else {
            return false;
        };
        if failure.spec != self.want || self.policy.now >= failure.retry_at {
            return false;
        }
        let kept = if self.seen.failed.is_some() {
            format!("; its log is kept: `docker logs {}.failed`", self.name)
        } else {
            String::new()
        };
        self.issue(
            IssueCode::ReplacementFailed,
            Severity::Error,
            format!(
                "The new configuration of {} does not work; the old one runs on",
                self.role.title()
            ),
            failure.reason.clone(),
            format!("Correct the setting or template that changed{kept}"),
        );
        true
    }

    fn hold_for_failure(&mut self) {
        if let Some(failure) = self.observed.failures.get(&self.role) {
            let at = failure.retry_at;
            self.hold("the last try failed", Wait::Until { at });
        }
    }

    fn is_current(&self, facts: &ContainerFacts, image: Option<&str>) -> bool {
        self.compare(facts, image).replace.is_empty()
    }

    fn compare(&self, facts: &ContainerFacts, image_id: Option<&str>) -> Differences {
        let image = self
            .engine
            .images
            .values()
            .find(|image| image.id == facts.image_id);
        differences(self.target, self.spec, facts, image_id, image)
    }

    fn with_main(&mut self, main: &ContainerFacts, image: Option<&str>, held: bool) {
        let differ = self.compare(main, image);
        if main.state == ContainerState::Dead {
            self.remove(main, "the engine cannot start it any more");
            if let Some(id) = image.filter(|_| !held) {
                self.create_and_start(id);
            }
            return;
        }
        if differ.replace.is_empty() || held {
            self.keep_going(main, &differ, differ.replace.is_empty());
        } else if let Some(id) = image {
            self.replace(main, id, &differ);
        }
    }

    /// The right one is there (or the best we have): make it run and be well.
    fn keep_going(&mut self, main: &ContainerFacts, differ: &Differences, current: bool) {
        if current && self.failed_as_replacement(main) {
            self.roll_back(main);
            return;
        }
        if self.network_is_stale(main) {
            // The engine cannot start a container whose network is gone.
            self.recreate(main, "its network was removed");
            return;
        }
        match main.state {
            ContainerState::Created | ContainerState::Exited => {
                self.mend_networks(main, differ);
                let why = match main.state {
                    ContainerState::Created => "it was never started".to_owned(),
                    _ if main.oom_killed => "it ended at its memory limit".to_owned(),
                    _ => format!("it ended with code {}", main.exit_code),
                };
                self.start(&main.id, &why);
                self.await_health();
            }
            ContainerState::Paused => {
                let call = EngineCall::UnpauseContainer {
                    id: main.id.clone(),
                };
                self.call(
                    format!("unpause {}", main.name),
                    call,
                    "it was paused by hand",
                );
                self.await_health();
            }
            ContainerState::Restarting => {
                if let Some(breaker) = self.breaker(&main.id) {
                    self.flapping(&breaker);
                    self.stop(main, Disruption::None, None, "the breaker is open");
                    self.hold(
                        "the breaker is open",
                        Wait::Until {
                            at: breaker.retry_at,
                        },
                    );
                } else {
                    self.await_health();
                }
            }
            ContainerState::Running => {
                self.mend_networks(main, differ);
                self.judge(main, current);
            }
            // Handled before.
            ContainerState::Dead => {}
        }
    }

    /// Whether it missed an answer: that proves nothing, and it is asked again
    /// before anything follows.
    fn is_in_doubt(&mut self) -> bool {
        let Some(why) = self.observed.doubts.get(&self.role).cloned() else {
            return false;
        };
        self.hold(&why, Wait::Healthy { role: self.role });
        true
    }

    /// What a running container says of itself, and what follows.
    fn judge(&mut self, main: &ContainerFacts, current: bool) {
        if self.is_in_doubt() {
            return;
        }
        match self.observed.health.get(&self.role) {
            Some(Health::Healthy { generation, .. }) => {
                if current {
                    self.conclude();
                }
                if self.role == Role::Traefik {
                    self.check_generation(main, generation.as_deref());
                    if self.observed.certificates_mended {
                        self.read_certificates(main);
                    }
                }
            }
            Some(Health::Unhealthy { why }) => {
                let why = why.clone();
                if let Some(breaker) = self.breaker(&main.id)
                    && self.policy.now < breaker.retry_at
                {
                    self.flapping(&breaker);
                    self.hold(
                        "the breaker is open",
                        Wait::Until {
                            at: breaker.retry_at,
                        },
                    );
                    return;
                }
                self.issue(
                    IssueCode::ServiceUnhealthy,
                    Severity::Error,
                    format!(
                        "{} runs, but does not answer as it should",
                        self.role.title()
                    ),
                    why.clone(),
                    format!(
                        "It is restarted by itself; its log: `docker logs {}`",
                        self.name
                    ),
                );
                self.stop(main, self.cuts(), None, &why);
                self.start(&main.id, &why);
                self.await_health();
            }
            Some(Health::Starting { .. }) | None => self.await_health(),
        }
    }

    /// A replacement is over: what was kept for going back can go.
    fn conclude(&mut self) {
        for (facts, why) in [
            (self.seen.prev, "its replacement is healthy"),
            (self.seen.next, "nothing has to be replaced"),
        ] {
            if let Some(facts) = facts {
                self.remove(facts, why);
            }
        }
        if let Some(failed) = self.seen.failed {
            self.remove(
                failed,
                "a later replacement is healthy, its log is not needed any more",
            );
        }
        if self.role == Role::Traefik {
            self.clear_volumes();
        }
    }

    /// The volume that led to the state folder before it was moved, once no
    /// container is left that could go back to it.
    fn clear_volumes(&mut self) {
        let gone = [self.seen.prev, self.seen.next, self.seen.failed];
        let stays = |facts: &&ContainerFacts| !gone.iter().flatten().any(|one| one.id == facts.id);
        let (target, engine) = (self.target, self.engine);
        for volume in volumes_left(target, engine) {
            let source = MountSource::Volume(volume.name.clone());
            let has_it = |facts: &ContainerFacts| {
                let mut mounts = facts.mounts.iter();
                mounts.any(|mount| mount.source == source)
            };
            if !engine.containers.iter().filter(stays).any(has_it) {
                let call = EngineCall::RemoveVolume {
                    name: volume.name.clone(),
                };
                let why = "it leads to another folder, where all stays, and nobody uses it";
                self.call(format!("remove volume {}", volume.name), call, why);
            }
        }
    }

    fn check_generation(&mut self, main: &ContainerFacts, loaded: Option<&str>) {
        if loaded == Some(self.target.traefik_generation.as_str()) {
            return;
        }
        let since = self.observed.route_stale_since.unwrap_or(self.policy.now);
        let age = self.policy.now.duration_since(since).as_secs();
        let reminded = self
            .observed
            .route_reminded_at
            .is_some_and(|at| self.policy.now.duration_since(at).as_secs() < 10);
        if age >= LOAD_DEADLINE_S {
            self.issue(
                IssueCode::RouteRejected,
                Severity::Error,
                "Traefik does not run the routes on disk".into(),
                format!(
                    "It has loaded {}, wanted is {}",
                    loaded.unwrap_or("nothing"),
                    self.target.traefik_generation
                ),
                format!(
                    "Correct what its log (`docker logs {0}`) says of them; where it says nothing, `docker restart {0}` makes it read them anew. The last good routes stay in force",
                    self.name
                ),
            );
        }
        if age >= LOAD_REMINDER_S && !reminded {
            let call = EngineCall::SignalContainer {
                id: main.id.clone(),
                signal: "SIGHUP".into(),
            };
            self.push(
                Action::Engine {
                    title: format!("remind {} (SIGHUP)", main.name),
                    call: Box::new(call),
                },
                "it has not loaded the routes on disk",
                Disruption::Reload,
            );
        }
        self.hold(
            "it loads the routes on disk",
            Wait::Healthy { role: self.role },
        );
    }

    /// Traefik reads its certificates at its start alone.
    fn read_certificates(&mut self, main: &ContainerFacts) {
        let why = "it gave up on its certificates when it began, and they are mended";
        let wait =
            (!self.observed.live.is_quiet() && !self.policy.apply_now).then_some(Wait::Quiet);
        self.stop(main, self.cuts(), wait, why);
        self.start(&main.id, why);
        self.await_health();
    }

    /// Whether the container that replaced another shows that it does not work.
    fn failed_as_replacement(&self, main: &ContainerFacts) -> bool {
        if self.seen.prev.is_none() {
            return false;
        }
        let unhealthy = matches!(
            self.observed.health.get(&self.role),
            Some(Health::Unhealthy { .. })
        );
        let refused = self.refusal(&main.id).is_some() && main.state != ContainerState::Running;
        let ended = main.state == ContainerState::Exited && main.started_at.is_some();
        unhealthy || refused || ended || main.restart_count >= RESTARTS_THAT_CONDEMN
    }

    /// Puts the kept one back and keeps the failed one for its logs.
    fn roll_back(&mut self, main: &ContainerFacts) {
        let Some(prev) = self.seen.prev else { return };
        let reason = match (self.refusal(&main.id), self.observed.health.get(&self.role)) {
            (Some(failure), _) => failure.reason.clone(),
            (None, Some(Health::Unhealthy { why })) => why.clone(),
            _ => format!("it ended with code {}", main.exit_code),
        };
        let why = format!("the replacement does not work: {reason}");
        self.push(
            Action::RecordFailure {
                role: self.role,
                spec: self.want,
                reason,
            },
            "so that it is not tried over and over",
            Disruption::None,
        );
        self.stop(main, Disruption::None, None, &why);
        if let Some(failed) = self.seen.failed {
            self.remove(failed, "a newer failure takes its place");
        }
        self.rename(main, format!("{}.failed", self.name), &why);
        self.rename(prev, self.name.clone(), &why);
        self.start(&prev.id, &why);
        self.await_health();
    }

    /// Brings a new container in place of one that differs.
    fn replace(&mut self, main: &ContainerFacts, image: &str, differ: &Differences) {
        if !self.policy.apply_now && self.is_in_doubt() {
            return;
        }
        let why = differ.replace.join(", ");
        let next_name = format!("{}.next", self.name);
        let next = match self.seen.next {
            Some(next) if self.is_current(next, Some(image)) => Some(next.id.clone()),
            Some(next) => {
                self.remove(next, "what is wanted changed meanwhile");
                None
            }
            None => None,
        };
        if next.is_none() {
            // Only what ends by itself on a wrong file can be tried out.
            if self.role == Role::Traefik {
                let name = format!("{}.check", self.name);
                let call = EngineCall::TryOut {
                    name: name.clone(),
                    spec: Box::new(self.spec.clone()),
                    image: image.to_owned(),
                    labels: self.labels("check"),
                    patience_ms: TRY_OUT_MS,
                };
                self.call(
                    format!("try out {name}"),
                    call,
                    "to know that it starts before anything stops",
                );
            }
            self.create(next_name.clone(), image, &why);
        }
        let broken = main.state != ContainerState::Running
            || matches!(
                self.observed.health.get(&self.role),
                Some(Health::Unhealthy { .. })
            );
        let quiet = !broken && !self.policy.apply_now;
        let wait = (quiet && !self.is_quiet()).then_some(Wait::Quiet);
        if let Some(breaker) = self.breaker(&main.id)
            && self.policy.now < breaker.retry_at
        {
            // A changed specification is the cure for a breaker: go on.
            self.flapping(&breaker);
        }
        self.stop(main, self.cuts(), wait, &why);
        if let Some(stop) = self.steps.last_mut().filter(|_| quiet) {
            stop.quiet = true;
        }
        // One that still starts, or whose word nobody has, proved nothing.
        let proven = main.state == ContainerState::Running
            && matches!(
                self.observed.health.get(&self.role),
                Some(Health::Healthy { .. })
            );
        match self.seen.prev {
            // Two changes in a row: the older one is the one known to work.
            Some(_) if !proven => self.remove(main, "it never proved itself"),
            Some(prev) => {
                self.remove(prev, "a newer one is known to work");
                self.rename(main, format!("{}.prev", self.name), &why);
            }
            None => self.rename(main, format!("{}.prev", self.name), &why),
        }
        let title = format!("rename {}.next to {}", self.name, self.name);
        // By name: the id of one that is only now made is not known yet.
        let call = EngineCall::RenameContainer {
            id: next.clone().unwrap_or(next_name),
            to: self.name.clone(),
        };
        self.call(title, call, &why);
        self.start(&next.unwrap_or_else(|| self.name.clone()), &why);
        self.await_health();
    }

    /// Whether nobody would be interrupted, nor is about to come back.
    fn is_quiet(&self) -> bool {
        let over = |at| self.policy.now.duration_since(at) >= QUIET;
        self.observed.live.is_quiet() && self.observed.last_live.is_none_or(over)
    }

    /// Removes one that cannot be started and makes it anew.
    fn recreate(&mut self, main: &ContainerFacts, why: &str) {
        if let Resolution::Here { id, .. } = resolve(&self.spec.image, self.engine) {
            self.remove(main, why);
            self.create_and_start(&id);
        }
    }

    fn network_is_stale(&self, main: &ContainerFacts) -> bool {
        let current =
            super::ground::our_network(self.target, self.engine).map(|network| &network.id);
        main.networks
            .get(&self.target.network.name)
            .is_some_and(|attachment| {
                !attachment.network_id.is_empty() && current != Some(&attachment.network_id)
            })
    }

    fn mend_networks(&mut self, main: &ContainerFacts, differ: &Differences) {
        let network = self.target.network.name.clone();
        if let Some(why) = &differ.join {
            if main.networks.contains_key(&network) {
                let call = EngineCall::DisconnectNetwork {
                    network: network.clone(),
                    container: main.id.clone(),
                };
                self.call(
                    format!("disconnect {} from {network}", main.name),
                    call,
                    why,
                );
            }
            let call = EngineCall::ConnectNetwork {
                network: network.clone(),
                container: main.id.clone(),
                aliases: self.spec.aliases.clone(),
            };
            self.call(format!("connect {} to {network}", main.name), call, why);
        }
        for other in &differ.leave {
            let call = EngineCall::DisconnectNetwork {
                network: other.clone(),
                container: main.id.clone(),
            };
            self.call(
                format!("disconnect {} from {other}", main.name),
                call,
                "it has no business there",
            );
        }
    }

    fn create_and_start(&mut self, image: &str) {
        let why = "it does not exist";
        self.create(self.name.clone(), image, why);
        self.start(&self.name.clone(), why);
        self.await_health();
    }

    fn create(&mut self, name: String, image: &str, why: &str) {
        let call = EngineCall::CreateContainer {
            name: name.clone(),
            spec: Box::new(self.spec.clone()),
            image: image.to_owned(),
            network: self.target.network.name.clone(),
            labels: self.labels(self.role.as_str()),
        };
        self.call(format!("create container {name}"), call, why);
    }

    /// The breaker of one container: that another did not stay up holds nobody
    /// down.
    fn breaker(&self, id: &str) -> Option<Breaker> {
        let breaker = self.observed.breakers.get(&self.role);
        breaker.filter(|breaker| breaker.container == id).cloned()
    }

    /// What the engine said of starting this very container.
    fn refusal(&self, id: &str) -> Option<&StartFailure> {
        let failure = self.observed.start_failures.get(&self.role);
        failure.filter(|failure| failure.container.as_deref() == Some(id))
    }

    /// Starts, unless a port is visibly taken or the last tries failed.
    fn start(&mut self, id: &str, why: &str) {
        if let Some(holder) = self.port_holder() {
            let (port, name) = (holder.port, holder.container.clone());
            self.port_taken(port, &format!("The container {name} publishes it"));
            self.hold(&format!("port {port} is taken by {name}"), Wait::Person);
            return;
        }
        if let Some(breaker) = self.breaker(id) {
            self.flapping(&breaker);
            if self.policy.now < breaker.retry_at && !self.policy.apply_now {
                self.hold(
                    "the breaker is open",
                    Wait::Until {
                        at: breaker.retry_at,
                    },
                );
                return;
            }
        }
        if let Some(failure) = self.observed.start_failures.get(&self.role).cloned() {
            match failure.port {
                Some(port) => self.port_taken(port, &failure.reason),
                None => self.issue(
                    IssueCode::ServiceUnhealthy,
                    Severity::Error,
                    format!("{} cannot be started", self.role.title()),
                    failure.reason.clone(),
                    "Mend what the engine names; tried again by itself".into(),
                ),
            }
            if self.policy.now < failure.retry_at
                && !self.policy.apply_now
                && self.refusal(id).is_some()
            {
                self.hold(
                    "the engine refused to start it",
                    Wait::Until {
                        at: failure.retry_at,
                    },
                );
                return;
            }
        }
        let call = EngineCall::StartContainer { id: id.to_owned() };
        self.call(format!("start {}", self.name), call, why);
    }

    /// A container that is not ours and publishes a port we want.
    fn port_holder(&self) -> Option<&PortHolder> {
        self.engine.ports.iter().find(|holder| {
            let ours =
                self.engine.containers.iter().any(|facts| {
                    facts.id == holder.id && is_ours(self.target, self.observed, facts)
                });
            !ours
                && self.spec.ports.iter().any(|want| {
                    want.host == holder.port
                        && want.protocol == holder.protocol
                        && (want.address.is_none()
                            || holder.address.is_none()
                            || want.address == holder.address)
                })
        })
    }

    fn port_taken(&mut self, port: u16, why: &str) {
        let issue = Issue {
            code: IssueCode::PortTaken,
            severity: Severity::Error,
            role: Some(self.role),
            subject: format!("port {port}"),
            what: format!("{} cannot start: port {port} is taken", self.role.title()),
            why: why.to_owned(),
            fix: "Free the port, or choose another under `ports` in the settings; it starts by itself then".into(),
        };
        self.issues.push(issue);
    }

    fn flapping(&mut self, breaker: &Breaker) {
        self.issue(
            IssueCode::ServiceFlapping,
            Severity::Error,
            format!(
                "{} ended {} times in a row",
                self.role.title(),
                breaker.ends
            ),
            breaker.reason.clone(),
            format!(
                "Its log says more: `docker logs {}`; one more start is tried by itself",
                self.name
            ),
        );
    }

    fn stop(
        &mut self,
        facts: &ContainerFacts,
        disrupts: Disruption,
        waits: Option<Wait>,
        why: &str,
    ) {
        let running = matches!(
            facts.state,
            ContainerState::Running | ContainerState::Paused | ContainerState::Restarting
        );
        if !running && waits.is_none() {
            return;
        }
        let call = EngineCall::StopContainer {
            id: facts.id.clone(),
            timeout: self.spec.stop_timeout,
        };
        self.steps.push(Step {
            lane: self.lane(),
            action: Action::Engine {
                title: format!("stop {}", facts.name),
                call: Box::new(call),
            },
            why: why.to_owned(),
            disrupts,
            waits,
            quiet: false,
        });
    }

    fn rename(&mut self, facts: &ContainerFacts, to: String, why: &str) {
        let call = EngineCall::RenameContainer {
            id: facts.id.clone(),
            to: to.clone(),
        };
        self.call(format!("rename {} to {to}", facts.name), call, why);
    }

    fn remove(&mut self, facts: &ContainerFacts, why: &str) {
        let call = EngineCall::RemoveContainer {
            id: facts.id.clone(),
        };
        self.call(format!("remove container {}", facts.name), call, why);
    }

    fn call(&mut self, title: String, call: EngineCall, why: &str) {
        self.push(
            Action::Engine {
                title,
                call: Box::new(call),
            },
            why,
            Disruption::None,
        );
    }

    fn push(&mut self, action: Action, why: &str, disrupts: Disruption) {
        let lane = self.lane();
        self.steps.push(Step {
            lane,
            action,
            why: why.to_owned(),
            disrupts,
            waits: None,
            quiet: false,
        });
    }

    fn await_health(&mut self) {
        let why = match self.observed.health.get(&self.role) {
            Some(Health::Starting { why }) => why.clone(),
            _ => "it has to answer first".to_owned(),
        };
        self.hold(&why, Wait::Healthy { role: self.role });
    }

    fn hold(&mut self, why: &str, wait: Wait) {
        // One reason to wait is enough.
        let held = |step: &Step| step.action == Action::Await && step.waits.is_some();
        if self.steps.last().is_some_and(held) {
            return;
        }
        let lane = self.lane();
        self.steps.push(Step {
            lane,
            action: Action::Await,
            why: why.to_owned(),
            disrupts: Disruption::None,
            waits: Some(wait),
            quiet: false,
        });
    }

    fn issue(
        &mut self,
        code: IssueCode,
        severity: Severity,
        what: String,
        why: String,
        fix: String,
    ) {
        let subject = self.name.clone();
        self.issues.push(Issue {
            code,
            severity,
            role: Some(self.role),
            subject,
            what,
            why,
            fix,
        });
    }

    const fn lane(&self) -> Lane {
        Lane::Service(self.role)
    }

    /// Whom stopping this service interrupts.
    const fn cuts(&self) -> Disruption {
        match self.role {
            Role::Traefik => Disruption::Everything,
            Role::Ovenmediaengine | Role::Mirotalk => Disruption::Streams,
        }
    }

    fn labels(&self, role: &str) -> BTreeMap<String, String> {
        BTreeMap::from([
            (labels::INSTANCE.to_owned(), self.target.instance.clone()),
            (labels::ROLE.to_owned(), role.to_owned()),
            (labels::SPEC.to_owned(), self.want.to_string()),
            (labels::VERSION.to_owned(), self.target.version.clone()),
        ])
    }
}
