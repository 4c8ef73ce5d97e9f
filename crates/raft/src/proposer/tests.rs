#![allow(clippy::unwrap_used)]

use super::*;

fn waiting(sizes: &[usize]) -> (Proposal<()>, mpsc::Receiver<Proposal<()>>) {
    let (sender, mut receiver) = mpsc::channel(WAITING);
    for size in sizes {
        let (answer, _) = oneshot::channel();
        sender.try_send(Proposal { command: vec![0; *size].into(), answer }).ok().unwrap();
    }
    (receiver.try_recv().ok().unwrap(), receiver)
}

#[test]
fn an_entry_takes_all_that_waits() {
    let (first, mut rest) = waiting(&[1, 2, 3]);
    let (filling, answers, left_over) = gather(first, &mut rest);
    assert_eq!((answers.len(), left_over.is_none()), (3, true));
    let batch = filling.finish();
    assert_eq!(batch.commands().map(<[u8]>::len).collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn an_entry_has_so_many_commands_at_most() {
    let (first, mut rest) = waiting(&[10; BATCH_COMMANDS + 5]);
    let (filling, answers, left_over) = gather(first, &mut rest);
    assert_eq!((filling.commands(), answers.len()), (BATCH_COMMANDS, BATCH_COMMANDS));
    assert!(left_over.is_none());
    assert_eq!(rest.len(), 5);
}

#[test]
fn a_command_that_does_not_fit_waits_for_the_next_entry() {
    let (first, mut rest) = waiting(&[BATCH_BYTES / 2, BATCH_BYTES / 2 + 1, 10]);
    let (filling, _, left_over) = gather(first, &mut rest);
    assert_eq!(filling.commands(), 1);
    let (filling, _, left_over) = gather(left_over.unwrap(), &mut rest);
    assert_eq!((filling.commands(), left_over.is_none()), (2, true));
}

#[test]
fn a_command_larger_than_an_entry_goes_alone() {
    let (first, mut rest) = waiting(&[COMMAND_BYTES, 1]);
    let (filling, _, left_over) = gather(first, &mut rest);
    assert_eq!((filling.commands(), left_over.is_none(), rest.len()), (1, true, 1));
}
