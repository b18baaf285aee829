import Glibc
import Platform
import Synchronization

// SAFETY: paths end with NUL. What the system fills in, and the copies of the arguments, are lent to it until
// `posix_spawnp` returns, and are freed then, once.

/// A program that this one starts, watches and ends: a server, or another benchmark.
///
/// Whatever ends this program ends the child: ``InterruptWatch`` calls ``killAll()``, and when nothing can be
/// called any more (SIGKILL, a crash, an exit) the kernel sends the child SIGKILL (`setpriv --pdeathsig`). That
/// signal is tied to the thread that started the child, so each child has a thread which starts it, waits for
/// it, and lives as long.
///
/// The child leads a process group of its own: Ctrl-C reaches this program alone, which then decides.
///
/// Thread-safety: any thread.
package final class ChildProcess: Sendable {
  /// How it ended.
  package enum Exit: Equatable, Sendable, CustomStringConvertible {
    case code(Int32)
    case signal(Int32)

    package var description: String {
      switch self {
      case .code(let code): "exit code \(code)"
      case .signal(let signal): "signal \(signal)"
      }
    }
  }

  package struct Failure: Error, CustomStringConvertible {
    package let description: String
  }

  /// What it has used since it was started.
  package struct Usage: Sendable {
    /// User and system time of all its threads.
    package let cpuSeconds: Double
    /// Bytes handed to the disk's page cache, whether the kernel has written them yet or not.
    package let writtenBytes: UInt64
    /// The most memory that was resident since ``resetPeak()``.
    package let peakResidentBytes: UInt64
  }

  private struct Registry {
    var children: [ObjectIdentifier: ChildProcess] = [:]
    var isClosed = false
  }

  private static let registry = Mutex(Registry())
  /// Between two looks at what cannot be waited for with a limit. Unit: microseconds.
  private static let lookInterval: UInt32 = 1000
  /// It is quiet when it has used less than this part of a core in so many intervals, one after the other.
  private static let quietShare = 0.05
  private static let quietLooks = 3
  /// Unit: microseconds.
  private static let quietInterval: UInt32 = 200_000

  private let name: String
  private let outputPath: String
  private let errorPath: String
  // Guarded.
  private let state = Mutex(State.starting)

  private enum State {
    case starting
    case failed(Int32)
    /// Not reaped yet, so that the number is no other process's.
    case running(pid_t)
    case ended(Exit)
  }

  private init(name: String, outputPath: String) {
    self.name = name
    self.outputPath = outputPath + ".stdout"
    errorPath = outputPath + ".stderr"
  }

  // MARK: - Start

  /// Starts a program with an empty stdin, default signal handlers and no signal blocked.
  ///
  /// - Parameters:
  ///   - command: the program, looked up in `PATH` when it has no `/`, and its arguments.
  ///   - environment: added to that of this process.
  ///   - path: what the program says goes to the files `path.stdout` and `path.stderr`, emptied first.
  package static func start(
    _ command: [String], environment: KeyValuePairs<String, String> = [:], outputTo path: String
  ) throws -> ChildProcess {
    precondition(!command.isEmpty, "a command has a program")
    let child = ChildProcess(name: command[0], outputPath: path)
    let variables = environment.map { "\($0.key)=\($0.value)" }
    WorkerThread(name: "child").start { child.run(command, adding: variables) }
    while true {
      switch child.state.withLock({ $0 }) {
      case .starting: usleep(lookInterval)
      case .running, .ended: return child
      case .failed(let code):
        throw unsafe Failure(
          description: "cannot start \(command[0]) with output to \(path).stdout: "
            + String(cString: strerror(code)))
      }
    }
  }

  /// Starts it, waits for its end, and reaps it.
  private func run(_ command: [String], adding variables: [String]) {
    // Under the lock: no child is started after killAll.
    let pid: pid_t? = Self.registry.withLock { registry in
      if registry.isClosed { return nil }
      var pid = pid_t()
      let code = spawn(command, adding: variables, &pid)
      guard code == 0 else {
        state.withLock { $0 = .failed(code) }
        return nil
      }
      state.withLock { $0 = .running(pid) }
      registry.children[ObjectIdentifier(self)] = self
      return pid
    }
    guard let pid else { return }
    var information = unsafe siginfo_t()
    while unsafe waitid(P_PID, id_t(pid), &information, WEXITED | WNOWAIT) != 0 && errno == EINTR {}
    state.withLock { state in
      var status: Int32 = 0
      while unsafe waitpid(pid, &status, 0) < 0 && errno == EINTR {}
      // What the macros WIFSIGNALED, WTERMSIG and WEXITSTATUS say.
      let signal = status & 0x7f
      state = .ended(signal == 0 ? .code((status >> 8) & 0xff) : .signal(signal))
    }
    Self.registry.withLock { _ = $0.children.removeValue(forKey: ObjectIdentifier(self)) }
  }

  private func spawn(
    _ command: [String], adding variables: [String], _ pid: inout pid_t
  ) -> Int32 {
    var attributes = posix_spawnattr_t()
    unsafe posix_spawnattr_init(&attributes)
    defer { unsafe posix_spawnattr_destroy(&attributes) }
    // InterruptWatch blocks signals in all threads, and a child inherits that.
    var none = sigset_t()
    unsafe sigemptyset(&none)
    unsafe posix_spawnattr_setsigmask(&attributes, &none)
    var all = sigset_t()
    unsafe sigfillset(&all)
    unsafe posix_spawnattr_setsigdefault(&attributes, &all)
    unsafe posix_spawnattr_setpgroup(&attributes, 0)
    unsafe posix_spawnattr_setflags(
      &attributes,
      Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP))
    var files = unsafe posix_spawn_file_actions_t()
    unsafe posix_spawn_file_actions_init(&files)
    defer { unsafe posix_spawn_file_actions_destroy(&files) }
    unsafe posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
    for (descriptor, path) in [(STDOUT_FILENO, outputPath), (STDERR_FILENO, errorPath)] {
      unsafe posix_spawn_file_actions_addopen(
        &files, descriptor, path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0o644)
    }
    let command = ["setpriv", "--pdeathsig", "KILL", "--"] + command
    var arguments: [UnsafeMutablePointer<CChar>?] = unsafe command.map { unsafe strdup($0) } + [nil]
    defer { for index in unsafe arguments.indices { unsafe free(arguments[index]) } }
    let own = (SystemFile.read("/proc/self/environ") ?? "").split(separator: "\0").map(String.init)
    let names = variables.map { $0.prefix { $0 != "=" } + "=" }
    let others = own.filter { variable in !names.contains { variable.hasPrefix($0) } }
    var environment: [UnsafeMutablePointer<CChar>?] =
      unsafe (variables + others).map { unsafe strdup($0) } + [nil]
    defer { for index in unsafe environment.indices { unsafe free(environment[index]) } }
    return unsafe posix_spawnp(&pid, command[0], &files, &attributes, &arguments, &environment)
  }

  // MARK: - Output

  /// What it has said on stdout so far.
  package var output: String { SystemFile.read(outputPath) ?? "" }

  /// What it has said on stderr so far.
  package var errorOutput: String { SystemFile.read(errorPath) ?? "" }

  /// Waits for its first line on stdout.
  ///
  /// - Throws: ``Failure`` with its last words when it ends before, or takes too long. It is not ended then.
  package func firstLine(timeoutSeconds: Double) throws -> String {
    let end = MonotonicClock.now() + UInt64(timeoutSeconds * 1e9)
    while true {
      // Before its output: what it said last is there once it has ended.
      let exit = exit
      if let line = output.split(separator: "\n", maxSplits: 1, omittingEmptySubsequences: false)
        .dropLast().first
      {
        return String(line)
      }
      if let exit { throw failure("ended (\(exit)) and said nothing") }
      if MonotonicClock.now() > end { throw failure("said nothing in \(timeoutSeconds) s") }
      usleep(Self.lookInterval)
    }
  }

  /// An error about this child, with the end of what it said on stderr.
  func failure(_ what: String) -> Failure {
    let lines = errorOutput.split(separator: "\n").suffix(5).joined(separator: "\n")
    return Failure(description: "\(name) \(what)" + (lines.isEmpty ? "" : ":\n\(lines)"))
  }

  // MARK: - End

  /// How it ended; nil while it runs.
  package var exit: Exit? {
    guard let exit = ownExit else { return nil }
    // An end that killAll brought about is nobody's business: the process is about to end.
    while Self.registry.withLock({ $0.isClosed }) { pause() }
    return exit
  }

  private var ownExit: Exit? {
    if case .ended(let exit) = state.withLock({ $0 }) { return exit }
    return nil
  }

  /// Waits for its end.
  ///
  /// - Returns: nil when it takes longer than `timeoutSeconds`.
  package func wait(timeoutSeconds: Double = .infinity) -> Exit? {
    let start = MonotonicClock.now()
    while true {
      if let exit { return exit }
      if Double(MonotonicClock.now() - start) / 1e9 > timeoutSeconds { return nil }
      usleep(Self.lookInterval)
    }
  }

  /// Waits for its end, which must be exit code 0.
  ///
  /// - Throws: ``Failure`` with its last words when it is another one, or takes longer than `timeoutSeconds`. It is
  ///   not ended then.
  func waitForSuccess(timeoutSeconds: Double = .infinity) throws {
    guard let exit = wait(timeoutSeconds: timeoutSeconds) else {
      throw failure("takes longer than \(timeoutSeconds) s")
    }
    guard exit == .code(0) else { throw failure("did not end well (\(exit))") }
  }

  /// Ends it: by SIGTERM, and by SIGKILL when that takes too long. Does nothing when it has ended.
  @discardableResult
  package func stop(timeoutSeconds: Double = 10) -> Exit {
    send(SIGTERM)
    while true {
      if let exit = wait(timeoutSeconds: timeoutSeconds) { return exit }
      send(SIGKILL)
    }
  }

  /// Sends a signal to it, SIGKILL to all it has started as well.
  package func send(_ signal: Int32) {
    state.withLock { state in
      guard case .running(let pid) = state else { return }
      kill(signal == SIGKILL ? -pid : pid, signal)
    }
  }

  /// Kills all children and waits for their ends. No other call that starts a child or tells of its end returns from
  /// now on: this process is about to end, and who went on would only say so in a confusing way.
  static func killAll() {
    let children = registry.withLock { registry in
      registry.isClosed = true
      return Array(registry.children.values)
    }
    for child in children { child.send(SIGKILL) }
    for child in children {
      while child.ownExit == nil { usleep(lookInterval) }
    }
  }

  // MARK: - Usage

  /// What it has used so far; nil when it has ended.
  package var usage: Usage? {
    state.withLock { state in
      guard case .running(let pid) = state else { return nil }
      var clock = clockid_t()
      var time = timespec()
      guard unsafe clock_getcpuclockid(pid, &clock) == 0, unsafe clock_gettime(clock, &time) == 0,
        let written = SystemFile.number(after: "write_bytes:", in: "/proc/\(pid)/io"),
        let peak = SystemFile.number(after: "VmHWM:", in: "/proc/\(pid)/status")
      else { return nil }
      return Usage(
        cpuSeconds: Double(time.tv_sec) + Double(time.tv_nsec) / 1e9, writtenBytes: written,
        peakResidentBytes: peak << 10)
    }
  }

  /// Waits until it does next to nothing, as after its last compaction.
  ///
  /// - Returns: false when it is busy still after `timeoutSeconds`.
  package func waitUntilQuiet(timeoutSeconds: Double) -> Bool {
    let start = MonotonicClock.now()
    var before = usage?.cpuSeconds
    var quietLooks = 0
    while quietLooks < Self.quietLooks {
      guard let used = before, Double(MonotonicClock.now() - start) / 1e9 < timeoutSeconds else {
        return false
      }
      usleep(Self.quietInterval)
      before = usage?.cpuSeconds
      let share = ((before ?? used) - used) * 1e6 / Double(Self.quietInterval)
      quietLooks = share < Self.quietShare ? quietLooks + 1 : 0
    }
    return true
  }

  /// Makes its memory of now the peak. Where the kernel does not allow it, the peak stays that since its start.
  package func resetPeak() {
    state.withLock { state in
      guard case .running(let pid) = state else { return }
      SystemFile.write("5", to: "/proc/\(pid)/clear_refs")
    }
  }
}
