use ringbolt_tests::{
    End, Pattern, Peer, Signal, User, descriptor_limit, kill, limit_descriptors, need, pipes,
    until, until_asleep,
};

use crate::path::Path;

/// Most pipes of a worker.
const PIPES: usize = 64;

/// A stream through a session of its own: both ends, and how far each is.
struct Stream {
    pattern: Pattern,
    sender: Peer,
    receiver: Peer,
    sent: usize,
    received: usize,
    /// What is sent next, as far as it has been made.
    ahead: Vec<u8>,
}

impl Stream {
    /// Up or down through a new session with short queues at its peers. No two streams are alike.
    fn new(path: &Path, number: u64) -> Self {
        let (sender, receiver) = path.narrow_direction(number);
        let pattern = Pattern { seed: 1_000 + number };
        Self { pattern, sender, receiver, sent: 0, received: 0, ahead: Vec::new() }
    }

    fn many(path: &Path, count: u64) -> Vec<Self> {
        (0..count).map(|number| Self::new(path, number)).collect()
    }

    /// Sends what is taken at once.
    fn push(&mut self) -> usize {
        if self.ahead.is_empty() {
            self.ahead = self.pattern.bytes(self.sent, 64 * 1024);
        }
        let taken = self.sender.send_some(&self.ahead);
        self.ahead.drain(..taken);
        self.sent += taken;
        taken
    }

    /// Sends until nothing was taken for a few looks.
    fn stuff(&mut self) {
        let mut refusals = 0;
        until("the connection takes no more", || {
            refusals = if self.push() == 0 { refusals + 1 } else { 0 };
            while refusals == 0 && self.push() > 0 {}
            (refusals == 5).then_some(())
        });
    }

    /// Receives as many bytes, which have been sent.
    fn receive(&mut self, length: usize) {
        self.receiver.receive_pattern(self.pattern, self.received, length);
        self.received += length;
    }

    fn receive_all(&mut self) {
        self.receive(self.sent - self.received);
    }

    /// Sends and receives so many bytes at once.
    fn carry(&mut self, length: usize) {
        let (mut sender, pattern, start) = (self.sender.other(), self.pattern, self.sent);
        self.sent += length;
        self.ahead.clear();
        std::thread::scope(|scope| {
            scope.spawn(move || sender.send_pattern(pattern, start, length));
            self.receive_all();
        });
    }

    fn finish(mut self) {
        self.sender.finish();
        self.receive_all();
        assert_eq!(self.receiver.end(), End::Fin);
    }

    /// The sender resets: the receiver gets a true continuation and then a reset.
    fn reset_by_sender(mut self) {
        self.sender.reset();
        let (bytes, end) = self.receiver.receive_all();
        self.pattern.check(self.received, &bytes);
        assert!(self.received + bytes.len() <= self.sent);
        assert_eq!(end, End::Reset);
    }

    fn reset_by_receiver(mut self) {
        self.receiver.reset();
        assert_eq!(self.sender.end(), End::Reset);
    }
}

/// Sends on every stream until none takes any more.
fn fill(path: &Path, streams: &mut [Stream]) {
    loop {
        until("the connections take no more", || {
            (streams.iter_mut().map(Stream::push).sum::<usize>() == 0).then_some(())
        });
        until_asleep(path.ringbolt().engine());
        if streams.iter_mut().map(Stream::push).sum::<usize>() == 0 {
            return;
        }
    }
}

/// Goal: more slow receivers than pipes: the others are copied to, and nothing is lost. Method: 70
/// streams to one worker, both directions, receivers that do not read; then they read all. Every
/// pipe is lent meanwhile, and there are no more of them; afterwards they are kept for others.
#[test]
fn more_slow_receivers_than_pipes() {
    need!(Binary);
    for splice in ["always", "auto"] {
        let path = Path::of_one_worker(splice);
        let mut streams = Stream::many(&path, 70);
        fill(&path, &mut streams);
        assert_eq!(pipes(path.ringbolt().pid()), PIPES);
        assert!(path.fallbacks("all-lent") > 0.0, "it is counted");
        streams.into_iter().for_each(Stream::finish);
        path.ringbolt().wait_for_base();
        assert_eq!(pipes(path.ringbolt().pid()), PIPES);
    }
}

/// Goal: a user who has too many pipes gets small ones, which are not used: bytes are copied, and
/// spliced again when there is room. Method: the product runs as a user who holds over 1,024 pipes
/// (pipe-user-pages-soft in pipe(7)); bulk; they go, more bulk.
#[test]
fn small_pipes_are_not_used() {
    need!(Binary, OtherUser);
    let user = User::new();
    let held = user.hold_pipes(1_100);
    let path = Path::as_user(user);
    carry_without_pipes_then_with(&path, "small-pipe", || {}, || drop(held));
}

/// Goal: when no descriptor is left for a pipe, bytes are copied, and spliced again when there are
/// some. Method: the engine's limit is lowered below what it has open; bulk; the limit is as
/// before, more bulk.
#[test]
fn no_descriptor_for_a_pipe() {
    need!(Binary, Prlimit);
    let path = Path::of_one_worker("always");
    let engine = path.ringbolt().engine();
    let deny = || limit_descriptors(engine, 3);
    let mend = || limit_descriptors(engine, descriptor_limit());
    carry_without_pipes_then_with(&path, "no-pipe", deny, mend);
}

/// Carries bulk both ways while no pipe can be had, as of `deny`, and more after `mend`. The
/// counter of the reason grows, and no byte is spliced, until then only.
fn carry_without_pipes_then_with(
    path: &Path,
    reason: &str,
    deny: impl FnOnce(),
    mend: impl FnOnce(),
) {
    const LENGTH: usize = 8 << 20;
    let mut streams = Stream::many(path, 4);
    deny();
    streams.iter_mut().for_each(|stream| stream.carry(LENGTH));
    assert_eq!(pipes(path.ringbolt().pid()), 0);
    mend();
    let all = 4 * LENGTH as u64;
    assert_eq!((path.relayed("copy"), path.relayed("splice")), (all as f64, 0.0));
    assert!(path.fallbacks(reason) > 0.0, "{reason} is counted");
    path.ringbolt().line_with("bytes are copied instead of spliced");
    // The system is not asked again at once, but again soon.
    streams.iter_mut().for_each(|stream| stream.carry(LENGTH));
    assert!(pipes(path.ringbolt().pid()) > 0, "it never asks again");
    assert!(path.relayed("splice") > LENGTH as f64);
    let counted = path.fallbacks(reason);
    streams.iter_mut().for_each(|stream| stream.carry(LENGTH));
    assert_eq!(path.fallbacks(reason), counted);
    streams.into_iter().for_each(Stream::finish);
}

/// Goal: what is left in a pipe never comes out in another session. Method: 24 sessions at a time,
/// 120 in all, each with a stream of its own and a receiver that is slow; one after the other ends,
/// chosen by a seed: reset by its sender, by its receiver, or complete; a new one takes its place
/// on the same worker at once. A byte of another stream would be a wrong one.
#[test]
fn what_is_left_in_a_pipe_stays_there() {
    need!(Binary);
    const AT_A_TIME: usize = 24;
    let path = Path::of_one_worker("always");
    let engine = path.ringbolt().engine();
    let mut streams = Vec::new();
    let mut most_pipes = 0;
    let choices = Pattern { seed: 0xCA7A };
    for number in 0..120 {
        let mut stream = Stream::new(&path, number);
        stream.stuff();
        streams.push(stream);
        most_pipes = most_pipes.max(pipes(path.ringbolt().pid()));
        let choice = choices.bytes(4 * number as usize, 4);
        let [reader, length, ending, how] = choice[..] else { unreachable!("four") };
        let reader = usize::from(reader) % streams.len();
        let slow = &mut streams[reader];
        slow.receive((usize::from(length) * 100).min(slow.sent - slow.received));
        if streams.len() < AT_A_TIME {
            continue;
        }
        let stream = streams.swap_remove(usize::from(ending) % AT_A_TIME);
        match how % 3 {
            0 => stream.reset_by_sender(),
            1 => stream.reset_by_receiver(),
            _ => stream.finish(),
        }
    }
    assert!(most_pipes > AT_A_TIME / 2, "{most_pipes} pipes: nobody was slow");
    streams.into_iter().for_each(Stream::finish);
    assert_eq!(path.ringbolt().engine(), engine, "it has lived through all of it");
    path.ringbolt().wait_for_base();
}

/// Goal: an engine that is killed with bytes in its pipes leaves them to the next one, no pipe is left
/// over, and there are no more of them than before. Method: 24 streams whose receivers do not read,
/// `kill -9` once when all is full, once as soon as some is; every byte arrives, and then the end;
/// descriptors are back at base; streams of which one end leaves right after another death.
#[test]
fn killed_with_full_pipes() {
    need!(Binary);
    let path = Path::new("always");
    for settled in [true, false] {
        let mut streams = Stream::many(&path, 24);
        if settled {
            fill(&path, &mut streams);
            assert_eq!(pipes(path.ringbolt().pid()), streams.len());
        } else {
            let holds = || (pipes(path.ringbolt().pid()) > 2).then_some(());
            until("pipes are lent", || {
                let _: usize = streams.iter_mut().map(Stream::push).sum();
                holds()
            });
        }
        let engine = path.ringbolt().engine();
        kill(engine, Signal::SIGKILL);
        path.ringbolt().engine_after(engine);
        streams.into_iter().for_each(Stream::finish);
        path.ringbolt().wait_for_base();

        let mut streams = Stream::many(&path, 4);
        fill(&path, &mut streams);
        let engine = path.ringbolt().engine();
        kill(engine, Signal::SIGKILL);
        for (number, stream) in streams.into_iter().enumerate() {
            if number % 2 == 0 { stream.reset_by_sender() } else { stream.reset_by_receiver() }
        }
        path.ringbolt().engine_after(engine);
        path.ringbolt().wait_for_base();
        assert!(pipes(path.ringbolt().pid()) <= PIPES);
        let mut stream = Stream::new(&path, 0);
        stream.carry(1 << 20);
        stream.finish();
    }
}

/// Goal: a session has two descriptors, and a pipe only while its receiver is slow. Method: 70
/// sessions of one worker, more than there could be pipes, say something each way: one pipe serves
/// all. One receiver stops reading and keeps it: a second serves the others. Then all carry bulk at
/// once and are idle again.
#[test]
fn a_pipe_is_lent_for_a_turn() {
    need!(Binary);
    let path = Path::of_one_worker("always");
    let open = || path.ringbolt().descriptors_beyond_base();
    let mut sessions: Vec<_> = (0..70).map(|_| path.session()).collect();
    let two_each = 2 * sessions.len().cast_signed();
    let mut talk = || sessions.iter_mut().for_each(|(client, server)| client.exchange(server));
    talk();
    assert_eq!((pipes(path.ringbolt().pid()), open()), (1, two_each));

    let mut slow = [Stream::new(&path, 0)];
    fill(&path, &mut slow);
    talk();
    assert_eq!((pipes(path.ringbolt().pid()), open()), (2, two_each + 2));
    slow.into_iter().for_each(Stream::finish);
    drop(sessions);

    let mut streams = Stream::many(&path, 70);
    std::thread::scope(|scope| {
        for stream in &mut streams {
            scope.spawn(|| stream.carry(2 << 20));
        }
    });
    let lent = pipes(path.ringbolt().pid());
    assert!(lent <= PIPES, "{lent} pipes");
    path.ringbolt().wait_for_descriptors(two_each);
    drop(streams);
    path.ringbolt().wait_for_base();
}
