use super::*;

const AT: usize = 0x7000_1234_5000;

fn page(byte: u8) -> Frame {
    let frame = Frame::allocate().expect("the arena has pages");
    frame.fill(0, PAGE_SIZE, byte);
    frame
}

#[test]
fn a_cleared_table_has_no_pages_and_takes_new_ones() {
    let table = PageTable::new().expect("memory");
    let frame = page(1);
    for address in [AT, AT + (1 << 39)] {
        table.map(address, frame.clone(), Access::READ).expect("memory");
    }
    table.clear();
    assert_eq!(frame.shares(), 1);
    assert!(table.lookup(AT).is_none());
    table.map(AT, frame.clone(), Access::READ).expect("memory");
    assert!(table.lookup(AT).is_some());
}

#[test]
fn a_mapped_page_is_found_and_owned() {
    let table = PageTable::new().expect("memory");
    let frame = page(1);
    table
        .map(AT, frame.clone(), Access::READ | Access::WRITE)
        .expect("memory");
    assert_eq!(frame.shares(), 2);
    let mapping = table.lookup(AT).expect("it is mapped");
    assert_eq!(mapping.frame, frame);
    assert_eq!(mapping.access, Access::READ | Access::WRITE);
    drop(mapping);
    assert!(table.lookup(AT + PAGE_SIZE).is_none());
    drop(table);
    assert_eq!(frame.shares(), 1);
}

#[test]
fn neighbours_are_mapped_where_nothing_is() {
    let table = PageTable::new().expect("memory");
    let (there, one, two) = (page(1), page(2), page(3));
    table
        .map_own(AT + PAGE_SIZE, there.clone(), Access::READ | Access::WRITE)
        .expect("memory");
    let mut frames = [Some(one.clone()), Some(two.clone()), None, Some(two.clone())];
    assert_eq!(table.map_missing(AT, &mut frames, Access::READ), Ok(2));
    assert_eq!(frames, [None, Some(two.clone()), None, None]);
    assert_eq!(table.lookup(AT).expect("it is mapped").frame, one);
    assert!(table.lookup(AT + PAGE_SIZE).expect("it is mapped").own);
    assert!(table.lookup(AT + 2 * PAGE_SIZE).is_none());
    let last = table.lookup(AT + 3 * PAGE_SIZE).expect("it is mapped");
    assert_eq!(
        (&last.frame, last.access, last.own, last.accessed),
        (&two, Access::READ, false, false)
    );
    drop((frames, last, table));
    assert_eq!((there.shares(), one.shares(), two.shares()), (1, 1, 1));
}

#[test]
#[should_panic(expected = "two tables")]
fn neighbours_in_two_tables_are_refused() {
    let table = PageTable::new().expect("memory");
    let _ = table.map_missing(TABLE_SPAN - PAGE_SIZE, &mut [const { None }; 2], Access::READ);
}

#[test]
fn replacing_a_page_ends_the_share_of_the_old_one() {
    let table = PageTable::new().expect("memory");
    let (old, new) = (page(1), page(2));
    table.map(AT, old.clone(), Access::READ).expect("memory");
    table.map(AT, new.clone(), Access::READ).expect("memory");
    assert_eq!((old.shares(), new.shares()), (1, 2));
}

#[test]
#[should_panic(expected = "not both")]
fn writable_code_is_refused() {
    let table = PageTable::new().expect("memory");
    let _ = table.map(AT, page(1), Access::WRITE | Access::EXECUTE);
}

#[test]
fn a_range_visits_mapped_pages_only_in_order() {
    let table = PageTable::new().expect("memory");
    // More pages than one batch, across a table's border, with a hole of many GiB.
    let addresses: alloc::vec::Vec<usize> = (0..200)
        .map(|index| TABLE_SPAN - 100 * PAGE_SIZE + index * PAGE_SIZE)
        .chain([AT])
        .collect();
    for &address in &addresses {
        table.map(address, page(3), Access::READ).expect("memory");
    }
    let mut seen = alloc::vec::Vec::new();
    table.unmap_range(PAGE_SIZE..USER_END, |address, frame, own| {
        assert_eq!((frame.shares(), own), (1, false));
        seen.push(address);
    });
    assert_eq!(seen, addresses);
    assert!(table.lookup(AT).is_none());
}

#[test]
fn a_used_page_gets_a_second_chance_and_another_page_none() {
    let table = PageTable::new().expect("memory");
    let (used, idle, spared, copied, other) = (page(1), page(2), page(3), page(4), page(5));
    let at = |index: usize| AT + index * PAGE_SIZE;
    for (index, frame) in [&used, &idle, &spared, &other].into_iter().enumerate() {
        table.map(at(index), frame.clone(), Access::READ).expect("memory");
    }
    // As the CPU does on an access.
    table
        .entry(at(0))
        .expect("a table")
        .fetch_or(ACCESSED, Ordering::Relaxed);
    let candidate = |index, frame, spare| Candidate {
        address: at(index),
        frame,
        spare,
    };
    let mut candidates = [
        candidate(0, &used, false),
        candidate(1, &idle, false),
        candidate(2, &spared, true),
        candidate(3, &copied, false),
        candidate(600, &idle, false),
    ];
    assert_eq!(table.age(&candidates), 1);
    assert_eq!(
        (used.shares(), idle.shares(), spared.shares(), other.shares()),
        (2, 1, 2, 2)
    );
    candidates[2].spare = false;
    assert_eq!(table.age(&candidates), 2);
    assert_eq!((used.shares(), spared.shares(), other.shares()), (1, 1, 2));
}

#[test]
fn own_pages_stay_when_those_of_files_go() {
    let table = PageTable::new().expect("memory");
    let (own, file) = (page(1), page(2));
    table.map_own(AT, own.clone(), Access::READ).expect("memory");
    table.map(AT + PAGE_SIZE, file.clone(), Access::READ).expect("memory");
    table.protect(AT, Access::empty());
    table.protect(AT, Access::READ | Access::WRITE);
    table.unmap_files(PAGE_SIZE..USER_END, |address, _, own| {
        assert_eq!((address, own), (AT + PAGE_SIZE, false));
    });
    assert_eq!((own.shares(), file.shares()), (2, 1));
    assert!(table.lookup(AT).expect("it is mapped").own);
}

#[test]
fn taking_all_rights_keeps_the_page() {
    let table = PageTable::new().expect("memory");
    let frame = page(4);
    table
        .map(AT, frame.clone(), Access::READ | Access::WRITE)
        .expect("memory");
    table.protect_range(AT..AT + PAGE_SIZE, Access::empty());
    let mapping = table.lookup(AT).expect("it is mapped");
    assert_eq!((mapping.access, mapping.frame), (Access::empty(), frame));
    table.protect(AT, Access::READ);
    assert_eq!(table.lookup(AT).expect("it is mapped").access, Access::READ);
}

#[test]
fn a_forked_table_shares_pages_without_write() {
    let (parent, child) = (PageTable::new().expect("memory"), PageTable::new().expect("memory"));
    let frame = page(5);
    parent
        .map_own(AT, frame.clone(), Access::READ | Access::WRITE)
        .expect("memory");
    assert_eq!(parent.copy_range(&child, PAGE_SIZE..USER_END), Ok((1, 1)));
    for table in [&parent, &child] {
        assert_eq!(table.lookup(AT).expect("it is mapped").access, Access::READ);
    }
    assert_eq!(frame.shares(), 3);
}
