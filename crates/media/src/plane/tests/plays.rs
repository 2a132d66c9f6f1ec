//! Prompts, music on hold, and collecting digits.

use super::*;

fn collect(max_digits: u8) -> Option<Collect> {
    Some(Collect {
        max_digits,
        terminators: "#".into(),
        first_timeout: ms(1000),
        inter_digit_timeout: ms(500),
        clear_buffered: false,
    })
}

impl Lab {
    fn alone() -> Self {
        let mut lab = Self::new();
        lab.add(A, Codec::Pcma, Some(101));
        lab.run(100);
        lab
    }

    fn keys(&mut self, digits: &str) {
        digits.chars().for_each(|digit| self.press(A, digit, |_| true));
    }

    /// (why, digits, terminator, timed out) of the plays that ended.
    fn ended(&self) -> Vec<(PlayEnd, &str, Option<char>, bool)> {
        self.events
            .iter()
            .filter_map(|event| match event {
                Event::PlayEnded { why, digits, terminator, timed_out, .. } => {
                    Some((*why, digits.as_str(), *terminator, *timed_out))
                }
                _ => None,
            })
            .collect()
    }
}

#[test]
fn clips_play_in_order_with_gain_and_end() {
    let mut lab = Lab::alone();
    let mut play = lab.play(A, 1, 1100.0, 300);
    play.clips.push(Clip::new(Tone::single(1500.0).samples(305)));
    play.gain_db = -6.0;
    lab.peer(A).heard.clear();
    lab.handle(Command::Play(play));
    lab.run(700);
    let heard = lab.peer(A).heard.clone();
    assert_hears(&heard[..2400], &[1100.0]);
    assert_hears(&heard[2400..4800], &[1500.0]);
    assert!((tone::amplitude(&heard[..2400], 1100.0) - 0.125).abs() < 0.01);
    assert_eq!(lab.ended(), [(PlayEnd::Finished, "", None, false)]);
}

#[test]
fn music_on_hold_replaces_the_bridge_until_stopped() {
    let mut lab = Lab::pair();
    let music = Play { looped: true, ..lab.play(A, 9, 1500.0, 130) };
    lab.handle(Command::Play(music));
    assert_hears(&lab.listen(A, 2000), &[1500.0]);
    assert_hears(&lab.listen(B, 300), &[440.0]);
    lab.handle(Command::StopPlay { leg: A, play: PlayKey(8) });
    assert_hears(&lab.listen(A, 300), &[1500.0]);
    lab.handle(Command::StopPlay { leg: A, play: PlayKey(9) });
    assert_hears(&lab.listen(A, 300), &[620.0]);
    assert_eq!(lab.ended(), [(PlayEnd::Stopped, "", None, false)]);
}

#[test]
fn a_new_play_stops_the_old_one() {
    let mut lab = Lab::alone();
    for key in 1..=2 {
        let play = lab.play(A, key, 1100.0, 1000);
        lab.handle(Command::Play(play));
    }
    lab.handle(Command::RemoveLeg { leg: A });
    assert_eq!(lab.ended(), [(PlayEnd::Stopped, "", None, false), (PlayEnd::Stopped, "", None, false)]);
}

#[test]
fn a_digit_cuts_an_interruptible_menu_and_counts() {
    let mut lab = Lab::alone();
    let play = Play { interruptible: true, collect: collect(1), ..lab.play(A, 1, 1100.0, 5000) };
    lab.handle(Command::Play(play));
    lab.run(300);
    lab.keys("2");
    assert_eq!(lab.ended(), [(PlayEnd::Interrupted, "2", None, false)]);
    assert_eq!(lab.digits(A), "2");
}

#[test]
fn a_terminator_ends_collection() {
    let mut lab = Lab::alone();
    lab.handle(Command::Play(Play { collect: collect(8), ..Play::new(A, PlayKey(1), vec![]) }));
    lab.keys("123#4");
    assert_eq!(lab.ended(), [(PlayEnd::Finished, "123", Some('#'), false)]);
}

#[test]
fn digits_during_a_prompt_that_must_be_heard_count_afterwards() {
    let mut lab = Lab::alone();
    let play = Play { collect: collect(2), ..lab.play(A, 1, 1100.0, 1000) };
    lab.handle(Command::Play(play));
    lab.keys("77");
    assert_eq!(lab.ended(), []);
    lab.run(900);
    assert_eq!(lab.ended(), [(PlayEnd::Finished, "77", None, false)]);
}

#[test]
fn time_outs_run_from_the_end_of_the_prompt_and_from_each_digit() {
    let mut lab = Lab::alone();
    let play = Play { collect: collect(4), ..lab.play(A, 1, 1100.0, 500) };
    lab.handle(Command::Play(play.clone()));
    lab.run(1450);
    assert_eq!(lab.ended(), []);
    lab.run(150);
    assert_eq!(lab.ended(), [(PlayEnd::Finished, "", None, true)]);
    lab.events.clear();
    lab.handle(Command::Play(play));
    lab.run(600);
    lab.keys("1");
    lab.run(200);
    assert_eq!(lab.ended(), []);
    lab.run(200);
    assert_eq!(lab.ended(), [(PlayEnd::Finished, "1", None, true)]);
}

#[test]
fn digits_typed_ahead_skip_the_greeting_and_answer_the_menu() {
    let mut lab = Lab::alone();
    lab.keys("31");
    let greeting = Play { interruptible: true, ..lab.play(A, 1, 1100.0, 3000) };
    lab.handle(Command::Play(greeting));
    assert_eq!(lab.ended(), [(PlayEnd::Interrupted, "", None, false)]);
    let menu = Play { interruptible: true, collect: collect(1), ..lab.play(A, 2, 1100.0, 3000) };
    lab.handle(Command::Play(menu.clone()));
    lab.handle(Command::Play(menu.clone()));
    let done = |digits| (PlayEnd::Interrupted, digits, None, false);
    assert_eq!(lab.ended()[1..], [done("3"), done("1")]);
    lab.keys("9");
    let cleared = Collect { clear_buffered: true, ..menu.collect.clone().unwrap() };
    lab.handle(Command::Play(Play { collect: Some(cleared), ..menu }));
    lab.run(100);
    assert_eq!(lab.ended().len(), 3);
}

#[test]
fn a_collected_digit_is_kept_from_the_bridge_and_a_talked_one_from_the_next_menu() {
    let mut lab = Lab::pair();
    lab.run(100);
    lab.handle(Command::Play(Play { collect: collect(1), ..Play::new(A, PlayKey(1), vec![]) }));
    lab.press(A, '6', |_| true);
    lab.run(200);
    assert_eq!((lab.ended().len(), lab.peer(B).sent_digits()), (1, String::new()));
    lab.press(A, '4', |_| true);
    lab.run(200);
    assert_eq!(lab.peer(B).sent_digits(), "4");
    lab.handle(Command::Play(Play { collect: collect(1), ..Play::new(A, PlayKey(2), vec![]) }));
    lab.run(100);
    assert_eq!(lab.ended().len(), 1);
}

#[test]
fn unusable_plays_are_refused() {
    let mut lab = Lab::alone();
    for play in [
        Play { gain_db: f32::NAN, ..lab.play(A, 1, 1100.0, 10) },
        Play { collect: collect(0), ..lab.play(A, 1, 1100.0, 10) },
        Play { clips: vec![Clip::silence(ms(1)); 65], ..lab.play(A, 1, 1100.0, 10) },
    ] {
        assert!(matches!(lab.plane.handle(lab.now, Command::Play(play)), Err(MediaError::Play(_))));
    }
    let empty_loop = Play { looped: true, clips: vec![Clip::new(vec![])], ..lab.play(A, 1, 1100.0, 10) };
    lab.handle(Command::Play(empty_loop));
    lab.run(100);
    assert_eq!(lab.ended(), [(PlayEnd::Finished, "", None, false)]);
}
