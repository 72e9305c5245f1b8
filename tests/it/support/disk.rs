//! A disk below SQLite that remembers what was asked of it, fails when it is told to, and can be told to lie about `fsync`.
//!
//! It is a shim over SQLite's default VFS, registered as the default of this process, because the product names none. Only
//! files of a watched folder are looked at; every other database goes straight through.

#![expect(unsafe_code, reason = "a VFS is a table of C functions; the product itself forbids unsafe code")]

use std::collections::BTreeMap;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use libsqlite3_sys as ffi;

/// Number of a file of the trace; a name that is made anew after its removal is another file.
pub(crate) type FileNo = usize;

/// One thing asked of the disk, or said by the test in between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Made {
        file: FileNo,
        name: String,
    },
    Write {
        file: FileNo,
        at: usize,
        data: Vec<u8>,
    },
    Truncate {
        file: FileNo,
        size: usize,
    },
    Sync {
        file: FileNo,
    },
    /// `synced`: the folder was synced as well.
    Removed {
        file: FileNo,
        synced: bool,
    },
    /// Something was acknowledged to someone; the number is the test's own.
    Told(usize),
}

/// What SQLite is made to do, whatever the product asks for: the two bad settings of reliability.md 0.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    Off,
    Normal,
}

/// Which calls fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Write,
    Sync,
    Truncate,
}

/// The `nth` call of a kind fails, alone or with all of that kind after it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failure {
    pub(crate) call: Call,
    pub(crate) nth: u64,
    pub(crate) lasting: bool,
    /// No room, rather than a broken disk; for writes alone.
    pub(crate) full: bool,
}

#[derive(Debug, Default)]
struct State {
    files: BTreeMap<String, FileNo>,
    made: FileNo,
    trace: Option<Vec<Event>>,
    level: Option<Level>,
    failure: Option<Failure>,
    /// Calls of the failure's kind since it was set.
    seen: u64,
    failed: u64,
}

/// The disk of one folder.
#[derive(Debug, Default)]
pub(crate) struct Disk(Mutex<State>);

impl Disk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Remembers everything from now on, before any file of `folder` is opened. The files that are there, and what they have,
    /// are safe: they make up the beginning of the trace, and its length is the answer.
    pub(crate) fn record(&self, folder: &Path) -> usize {
        self.state().trace = Some(Vec::new());
        let mut there: Vec<PathBuf> = match std::fs::read_dir(folder) {
            Ok(entries) => entries.map(|entry| entry.unwrap().path()).filter(|it| name(it).contains(".db")).collect(),
            Err(_) => Vec::new(),
        };
        there.sort();
        for path in &there {
            self.opened(name(path), path);
        }
        self.state().trace.as_ref().unwrap().len()
    }

    pub(crate) fn level(&self, level: Option<Level>) {
        self.state().level = level;
    }

    /// What was acknowledged stands in the trace where it happened.
    pub(crate) fn told(&self, number: usize) {
        self.note(Event::Told(number));
    }

    pub(crate) fn trace(&self) -> Vec<Event> {
        self.state().trace.take().unwrap()
    }

    /// From now on; none for a disk that works.
    pub(crate) fn fail(&self, failure: Option<Failure>) {
        let mut state = self.state();
        (state.failure, state.seen, state.failed) = (failure, 0, 0);
    }

    /// How many calls failed since [`Disk::fail`].
    pub(crate) fn failed(&self) -> u64 {
        self.state().failed
    }

    /// How many calls of the failure's kind came since [`Disk::fail`].
    pub(crate) fn seen(&self) -> u64 {
        self.state().seen
    }

    fn note(&self, event: Event) {
        if let Some(trace) = &mut self.state().trace {
            trace.push(event);
        }
    }

    fn opened(&self, name: &str, path: &Path) -> FileNo {
        let mut state = self.state();
        if let Some(file) = state.files.get(name) {
            return *file;
        }
        let file = state.made;
        state.made += 1;
        state.files.insert(name.to_owned(), file);
        if let Some(trace) = &mut state.trace {
            trace.push(Event::Made { file, name: name.to_owned() });
            let data = std::fs::read(path).unwrap();
            if !data.is_empty() {
                trace.extend([Event::Write { file, at: 0, data }, Event::Sync { file }]);
            }
        }
        file
    }

    fn removed(&self, name: &str, synced: bool) {
        let mut state = self.state();
        if let (Some(file), Some(trace)) = (state.files.remove(name), &mut state.trace) {
            trace.push(Event::Removed { file, synced });
        }
    }

    /// The code that a call answers with, if it is to fail.
    fn refuses(&self, call: Call) -> Option<c_int> {
        let mut state = self.state();
        let failure = state.failure.filter(|it| it.call == call)?;
        state.seen += 1;
        let hit = if failure.lasting { state.seen >= failure.nth } else { state.seen == failure.nth };
        if !hit {
            return None;
        }
        state.failed += 1;
        Some(match call {
            Call::Write if failure.full => ffi::SQLITE_FULL,
            Call::Write => ffi::SQLITE_IOERR_WRITE,
            Call::Sync => ffi::SQLITE_IOERR_FSYNC,
            Call::Truncate => ffi::SQLITE_IOERR_TRUNCATE,
        })
    }
}

fn watched() -> MutexGuard<'static, BTreeMap<PathBuf, Arc<Disk>>> {
    static WATCHED: Mutex<BTreeMap<PathBuf, Arc<Disk>>> = Mutex::new(BTreeMap::new());
    WATCHED.lock().unwrap()
}

/// The disk below the databases of `folder` that are opened from now on.
pub(crate) fn watch(folder: &Path) -> Arc<Disk> {
    register();
    let disk = Arc::new(Disk::default());
    let earlier = watched().insert(folder.to_owned(), Arc::clone(&disk));
    assert!(earlier.is_none(), "{} is watched already", folder.display());
    disk
}

pub(crate) fn forget(folder: &Path) {
    watched().remove(folder);
}

/// The VFS that was the default before.
struct Base(*mut ffi::sqlite3_vfs);

// SAFETY: SQLite's own VFS lives as long as the process, and its functions may be called from any thread.
unsafe impl Send for Base {}
// SAFETY: as above.
unsafe impl Sync for Base {}

static BASE: OnceLock<Base> = OnceLock::new();

fn base() -> *mut ffi::sqlite3_vfs {
    BASE.get().unwrap().0
}

/// What SQLite keeps for an open file of a watched folder; the file of the VFS below follows right behind it.
#[repr(C)]
struct Opened {
    head: ffi::sqlite3_file,
    disk: *const Disk,
    file: FileNo,
    below: *mut ffi::sqlite3_file,
}

fn register() {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| {
        // SAFETY: SQLite is initialized first; the table is a copy of the default one, never freed, and differs in two
        // functions, which are ours.
        unsafe {
            assert_eq!(ffi::sqlite3_initialize(), ffi::SQLITE_OK);
            let default = ffi::sqlite3_vfs_find(ptr::null());
            assert!(!default.is_null());
            assert!(BASE.set(Base(default)).is_ok());
            let mut vfs = ptr::read(default);
            let head = c_int::try_from(size_of::<Opened>()).unwrap();
            vfs.szOsFile += head;
            vfs.zName = c"watched".as_ptr();
            vfs.pNext = ptr::null_mut();
            vfs.xOpen = Some(open);
            vfs.xDelete = Some(delete);
            assert_eq!(ffi::sqlite3_vfs_register(Box::leak(Box::new(vfs)), 1), ffi::SQLITE_OK);
        }
    });
}

fn name(path: &Path) -> &str {
    path.file_name().unwrap().to_str().unwrap()
}

/// The disk of a path, if it is watched.
fn find<'a>(path: *const c_char) -> Option<(Arc<Disk>, &'a Path)> {
    if path.is_null() {
        return None;
    }
    // SAFETY: SQLite hands over a text that ends with a zero.
    let path = Path::new(unsafe { CStr::from_ptr(path) }.to_str().ok()?);
    let disk = watched().get(path.parent()?).cloned()?;
    Some((disk, path))
}

unsafe extern "C" fn open(
    _vfs: *mut ffi::sqlite3_vfs,
    path: *const c_char,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    given: *mut c_int,
) -> c_int {
    // SAFETY: SQLite's call is passed on with the VFS that it is meant for; `file` has room for both parts.
    unsafe {
        let open = (*base()).xOpen.unwrap();
        let Some((disk, found)) = find(path) else { return open(base(), path, file, flags, given) };
        let opened = file.cast::<Opened>();
        let below = opened.add(1).cast::<ffi::sqlite3_file>();
        (*below).pMethods = ptr::null();
        (*opened).head.pMethods = ptr::null();
        let code = open(base(), path, below, flags, given);
        if code == ffi::SQLITE_OK {
            (*opened).file = disk.opened(name(found), found);
            (*opened).disk = Arc::into_raw(disk);
            (*opened).below = below;
            (*opened).head.pMethods = &raw const METHODS;
        }
        code
    }
}

unsafe extern "C" fn delete(_vfs: *mut ffi::sqlite3_vfs, path: *const c_char, sync: c_int) -> c_int {
    // SAFETY: passed on as it came.
    let code = unsafe { (*base()).xDelete.unwrap()(base(), path, sync) };
    if let (ffi::SQLITE_OK, Some((disk, found))) = (code, find(path)) {
        disk.removed(name(found), sync != 0);
    }
    code
}

/// The parts of an open file.
///
/// # Safety
/// `file` was opened by [`open`] as one of a watched folder.
unsafe fn parts<'a>(file: *mut ffi::sqlite3_file) -> (&'a Disk, FileNo, *mut ffi::sqlite3_file) {
    // SAFETY: only files of watched folders have our table of functions.
    unsafe {
        let opened = file.cast::<Opened>();
        (&*(*opened).disk, (*opened).file, (*opened).below)
    }
}

/// Passes a call on to the file below.
macro_rules! below {
    ($file:ident, $call:ident $(, $arg:expr)*) => {{
        let (_, _, file) = parts($file);
        (*(*file).pMethods).$call.unwrap()(file $(, $arg)*)
    }};
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: SQLite closes a file once and does not use it afterwards.
    unsafe {
        let code = below!(file, xClose);
        drop(Arc::from_raw((*file.cast::<Opened>()).disk));
        code
    }
}

unsafe extern "C" fn read(file: *mut ffi::sqlite3_file, into: *mut c_void, size: c_int, at: i64) -> c_int {
    // SAFETY: passed on as it came.
    unsafe { below!(file, xRead, into, size, at) }
}

unsafe extern "C" fn write(file: *mut ffi::sqlite3_file, data: *const c_void, size: c_int, at: i64) -> c_int {
    // SAFETY: `data` has `size` bytes.
    unsafe {
        let (disk, number, _) = parts(file);
        if let Some(code) = disk.refuses(Call::Write) {
            // What fails may have been written in part.
            below!(file, xWrite, data, size / 2, at);
            return code;
        }
        let code = below!(file, xWrite, data, size, at);
        if code == ffi::SQLITE_OK {
            let data = std::slice::from_raw_parts(data.cast::<u8>(), usize::try_from(size).unwrap());
            disk.note(Event::Write { file: number, at: usize::try_from(at).unwrap(), data: data.to_vec() });
        }
        code
    }
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, size: i64) -> c_int {
    // SAFETY: passed on as it came.
    unsafe {
        let (disk, number, _) = parts(file);
        if let Some(code) = disk.refuses(Call::Truncate) {
            return code;
        }
        let code = below!(file, xTruncate, size);
        if code == ffi::SQLITE_OK {
            disk.note(Event::Truncate { file: number, size: usize::try_from(size).unwrap() });
        }
        code
    }
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, _flags: c_int) -> c_int {
    // SAFETY: `file` is one of ours. The real disk is not synced: what would be lost is worked out from the trace.
    let (disk, number, _) = unsafe { parts(file) };
    if let Some(code) = disk.refuses(Call::Sync) {
        return code;
    }
    disk.note(Event::Sync { file: number });
    ffi::SQLITE_OK
}

unsafe extern "C" fn size(file: *mut ffi::sqlite3_file, size: *mut i64) -> c_int {
    // SAFETY: passed on as it came.
    unsafe { below!(file, xFileSize, size) }
}

unsafe extern "C" fn lock(file: *mut ffi::sqlite3_file, kind: c_int) -> c_int {
    // SAFETY: passed on as it came.
    unsafe { below!(file, xLock, kind) }
}

unsafe extern "C" fn unlock(file: *mut ffi::sqlite3_file, kind: c_int) -> c_int {
    // SAFETY: passed on as it came.
    unsafe { below!(file, xUnlock, kind) }
}

unsafe extern "C" fn is_reserved(file: *mut ffi::sqlite3_file, reserved: *mut c_int) -> c_int {
    // SAFETY: passed on as it came.
    unsafe { below!(file, xCheckReservedLock, reserved) }
}

/// `PRAGMA synchronous` reaches the VFS before SQLite carries it out, with its words where they can be changed: the product
/// asks for FULL, SQLite obeys the level of the disk, and when it is asked back, the answer is FULL.
unsafe extern "C" fn control(file: *mut ffi::sqlite3_file, what: c_int, with: *mut c_void) -> c_int {
    // SAFETY: for this request `with` is an array of an answer, a name and a value, the last two as SQLite's own copies.
    unsafe {
        let level = parts(file).0.state().level;
        if let (ffi::SQLITE_FCNTL_PRAGMA, Some(level)) = (what, level) {
            let words = with.cast::<*mut c_char>();
            let value = *words.add(2);
            if CStr::from_ptr(*words.add(1)).to_bytes().eq_ignore_ascii_case(b"synchronous") {
                if value.is_null() {
                    *words = ffi::sqlite3_mprintf(c"2".as_ptr());
                    return ffi::SQLITE_OK;
                }
                let digit = if level == Level::Off { b'0' } else { b'1' };
                *value = digit.cast_signed();
                *value.add(1) = 0;
            }
        }
        below!(file, xFileControl, what, with)
    }
}

unsafe extern "C" fn sector(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: passed on as it came.
    unsafe { below!(file, xSectorSize) }
}

unsafe extern "C" fn traits(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: passed on as it came.
    unsafe { below!(file, xDeviceCharacteristics) }
}

unsafe extern "C" fn map(
    file: *mut ffi::sqlite3_file,
    page: c_int,
    size: c_int,
    extend: c_int,
    into: *mut *mut c_void,
) -> c_int {
    // SAFETY: passed on as it came.
    unsafe { below!(file, xShmMap, page, size, extend, into) }
}

unsafe extern "C" fn lock_map(file: *mut ffi::sqlite3_file, from: c_int, count: c_int, flags: c_int) -> c_int {
    // SAFETY: passed on as it came.
    unsafe { below!(file, xShmLock, from, count, flags) }
}

unsafe extern "C" fn barrier(file: *mut ffi::sqlite3_file) {
    // SAFETY: passed on as it came.
    unsafe { below!(file, xShmBarrier) }
}

unsafe extern "C" fn unmap(file: *mut ffi::sqlite3_file, remove: c_int) -> c_int {
    // SAFETY: passed on as it came.
    unsafe { below!(file, xShmUnmap, remove) }
}

/// Version 2: everything but reading by memory map, which the product does not use.
static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(is_reserved),
    xFileControl: Some(control),
    xSectorSize: Some(sector),
    xDeviceCharacteristics: Some(traits),
    xShmMap: Some(map),
    xShmLock: Some(lock_map),
    xShmBarrier: Some(barrier),
    xShmUnmap: Some(unmap),
    xFetch: None,
    xUnfetch: None,
};
