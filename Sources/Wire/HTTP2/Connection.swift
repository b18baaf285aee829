import Bytes
import CNghttp2
import Glibc
import Platform

/// One client's HTTP/2 connection: the nghttp2 session, its calls, and the bytes to send.
///
/// It does no I/O: ``receive(_:)`` takes bytes from the socket, ``send(limit:)`` gives the bytes to write.
/// Requests found by `receive` are handed to their handlers by ``dispatch()``, after the whole read
/// batch, so that a stream opened and reset in one batch never runs (CVE-2023-44487).
///
/// Thread-safety: confined to its event loop.
///
/// Unsafe island. Invariants:
/// 1. A slot's memory lives until `deinit`, or until it was free for a while and nothing refers to it any more
///    (``trimSlots(now:)``); slots are referred to by ``SlotReference`` and by index in `slots`.
/// 2. `session` is deleted before the slots (``close()``), so that no callback sees freed memory.
/// 3. `CallSlot.borrowed` points into the bytes given to `receive`, and is dropped by `dispatch`,
///    which runs before `receive`'s caller lets those bytes go; or to what the loop has inflated, until its handler
///    returns.
/// 4. `session` is valid until `close()`, which ends all calls, so that nothing is done for one afterwards; whatever
///    else uses it looks first. What it has of this object is not retained, and `deinit` closes.
/// 5. What nghttp2 lends (a frame to send, a frame's header) is copied at once, within the count it comes with.
@safe
final class Connection {
  let loop: LoopContext
  let configuration: WireConfiguration
  let methods: MethodTable
  let index: UInt32
  let generation: UInt32

  /// Decides whether calls may run, if anybody does.
  let gate: (any ConnectionGate)?
  /// Whether anybody wants metadata of calls.
  let keepsMetadata: Bool

  private(set) var session: OpaquePointer?
  private var slots = CallSlots()
  private(set) var lastBegun: SlotReference?
  /// The method of the last call whose method is known, or -1.
  var lastMethod: Int32 = -1
  /// Slots with something to do once the read batch is in: `(index, generation)`.
  private var ready: [(UInt32, UInt32)] = []
  private var streamEvents: [StreamEvent] = []
  private var outputLimit = 0
  /// Frames of answers were made since ``send(limit:)`` was last done.
  var hasNewAnswer = false
  /// The first GOAWAY of a drain was not sent yet; a PING follows it.
  var owesDrainPing = false
  /// Keepalive, age and drain.
  var lifetime: ConnectionLifetime
  /// Sees what the client sends before nghttp2 does.
  var scanner = FrameScanner()
  var sentFrames = SentFrames()
  /// Of headers that belong to no call and were not counted yet.
  var unwantedHeaderBytes = 0
  /// Requests whose refusal waits for their end, see ``hold(_:_:)``.
  var heldCount = 0
  /// Bytes of request messages being assembled, over all calls.
  var assembledBytes = 0 {
    didSet {
      // Most calls assemble nothing; they need not touch what all loops share.
      if assembledBytes != oldValue { loop.budgets.requests.add(assembledBytes - oldValue) }
    }
  }
  /// Bytes of long messages that clients may still send, and the calls whose messages wait for theirs.
  var reservedBytes = 0
  var waitingForCredit: [(UInt32, UInt32)] = []
  /// What the answers of its calls count for.
  private(set) var heldAnswerBytes = 0
  /// Of the connection's window, taken by the client and not given back yet.
  var uncreditedBytes = 0
  /// Calls that have a deadline and no answer yet; the loop's timer looks at them.
  var callsWithDeadline = 0
  /// Set when the peer broke the protocol or an internal limit: send what is queued, then close.
  private(set) var mustClose = false
  /// How far the calls under way were when that was looked at, in a drain.
  private var drainMark = DrainMark()
  /// Who is at the other end.
  var peer: PeerIdentity? {
    didSet { if let gate, let peer { gate.peerBecame(peer) } }
  }

  /// In nanoseconds of ``MonotonicClock``.
  private struct DrainMark {
    static let interval: UInt64 = 250_000_000

    var lookedAt: UInt64 = 0
    /// When `place` became another one.
    var movedAt: UInt64 = 0
    /// A hash of what the calls have sent and received.
    var place = 0
  }

  /// What a streaming call is told when the read batch ends.
  enum StreamEvent {
    /// Something came for a call whose client sends any number of messages.
    case advance(slot: UInt32, generation: UInt32)
    case cancel(CallStream)
  }

  init?(
    loop: LoopContext, index: UInt32, generation: UInt32, configuration: WireConfiguration,
    methods: MethodTable
  ) {
    self.loop = loop
    self.index = index
    self.generation = generation
    self.configuration = configuration
    self.methods = methods
    keepsMetadata = !methods.keptNames.isEmpty
    lifetime = ConnectionLifetime(configuration.lifetime, now: MonotonicClock.now())
    gate = loop.hooks.gate?.makeConnectionGate()
    guard let callbacks = unsafe HTTP2Callbacks.shared, unsafe startSession(callbacks) else {
      return nil
    }
  }

  deinit {
    close()
    unsafe slots.freeAll()
  }

  private func startSession(_ callbacks: OpaquePointer) -> Bool {
    var option: OpaquePointer?
    guard unsafe nghttp2_option_new(&option) == 0 else { return false }
    defer { unsafe nghttp2_option_del(option) }
    unsafe nghttp2_option_set_max_outbound_ack(option, 100)
    // Its own limit counts resets of calls that were answered too; see `didReceiveReset`.
    unsafe nghttp2_option_set_stream_reset_rate_limit(option, 1 << 32, 1 << 32)
    // A stream's window is given back when its bytes are taken, not when they come.
    // See RequestFields.
    unsafe nghttp2_option_set_no_http_messaging(option, 1)
    unsafe nghttp2_option_set_no_auto_window_update(option, 1)
    // SAFETY: invariant 4.
    let user = unsafe Unmanaged.passUnretained(self).toOpaque()
    guard unsafe startSession(callbacks, user, option) == 0 else { return false }
    var settings = [
      nghttp2_settings_entry(
        settings_id: Int32(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS.rawValue),
        value: UInt32(configuration.maximumConcurrentStreams + Self.excessStreams)),
      nghttp2_settings_entry(
        settings_id: Int32(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE.rawValue),
        value: UInt32(Self.firstWindowBytes)),
      nghttp2_settings_entry(
        settings_id: Int32(NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE.rawValue),
        value: UInt32(configuration.maximumHeaderListBytes)),
      nghttp2_settings_entry(
        settings_id: Int32(NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES.rawValue), value: 1),
    ]
    return unsafe nghttp2_submit_settings(session, 0, &settings, settings.count) == 0
      && nghttp2_session_set_local_window_size(
        session, 0, 0, Int32(configuration.connectionWindowBytes)) == 0
  }

  private func startSession(
    _ callbacks: OpaquePointer, _ user: UnsafeMutableRawPointer, _ option: OpaquePointer?
  ) -> Int32 {
    guard let memory = loop.sessionMemory else {
      return unsafe nghttp2_session_server_new2(&session, callbacks, user, option)
    }
    var functions = unsafe memory.functions()
    return unsafe nghttp2_session_server_new3(&session, callbacks, user, option, &functions)
  }

  /// nghttp2 ends the connection of a client that opens more streams than it was told. So nghttp2 thinks that it tells
  /// this many more than the client is told; those in between are refused one by one, see ``didBeginHeaders(_:)``.
  private static let excessStreams = 1024
  private var hasSentSettings = false

  /// Puts the limit of streams that the client is told into our SETTINGS.
  ///
  /// nghttp2 sends them before all else. Whatever does not look exactly like them is not touched: the connection ends.
  ///
  ///     length: 24 bits | type 4: 8 | flags 0: 8 | stream 0: 32 | { setting: 16 | value: 32 } …
  private func correctSettings() {
    hasSentSettings = true
    var expected = ByteWriter()
    expected.append(UInt8(NGHTTP2_SETTINGS.rawValue))
    expected.append(0)
    expected.appendBigEndian(UInt32(0))
    expected.appendBigEndian(UInt16(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS.rawValue))
    expected.appendBigEndian(
      UInt32(configuration.maximumConcurrentStreams + Self.excessStreams))
    let place = 3
    guard loop.output.count >= place + expected.count,
      unsafe loop.output.bytes[place...].prefix(expected.count).elementsEqual(expected.bytes)
    else { return end(NGHTTP2_INTERNAL_ERROR, "internal_error") }
    let told = UInt32(configuration.maximumConcurrentStreams).bigEndian
    unsafe withUnsafeBytes(of: told) {
      loop.output.overwrite(at: place + expected.count - $0.count, with: $0)
    }
  }

  /// Ends the session; calls still running are cancelled. Safe to call twice.
  func close() {
    guard let session = unsafe session else { return }
    unsafe self.session = nil
    for slot in slots.all where slot.pointee.state != .free {
      release(slot)
      loop.calls.giveBack(1)
    }
    unsafe nghttp2_session_del(session)
    deliverStreamEvents()
  }

  // MARK: - Socket side

  /// Takes bytes from the socket. Call ``dispatch()`` before letting go of them.
  func receive(_ bytes: UnsafeRawBufferPointer) {
    guard let session = unsafe session, !mustClose else { return }
    lifetime.heard(bytes.count)
    loop.lookUpsLeft = CallContext.lookUpsPerRead
    guard let accepted = scan(bytes) else { return }
    let consumed = unsafe nghttp2_session_mem_recv(
      session, bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), accepted)
    // Any error is fatal for the session; what is queued to say about it still goes out.
    if consumed < 0 { endAfterError(Int32(clamping: consumed)) }
    if accepted < bytes.count { endForViolation() }
    // That of the connection is given back at once: one stream that waits must not hold up the others.
    if uncreditedBytes >= configuration.connectionWindowBytes / 4 {
      unsafe nghttp2_session_consume_connection(session, uncreditedBytes)
      uncreditedBytes = 0
    }
  }

  /// Puts the next bytes for the socket, at most about `limit`, into the loop's ``LoopContext/output``: they are there
  /// until a connection of the loop sends again.
  ///
  /// - Returns: whether there are any.
  func send(limit: Int) -> Bool {
    guard let session = unsafe session, !loop.isSending else { return false }
    loop.isSending = true
    defer { loop.isSending = false }
    if !waitingForCredit.isEmpty { giveWaitingCredit() }
    loop.output.removeAll()
    outputLimit = limit
    while loop.output.count < limit {
      var frame: UnsafePointer<UInt8>?
      let count = unsafe nghttp2_session_mem_send(session, &frame)
      if count < 0 { mustClose = true }
      guard count > 0 else { break }
      unsafe loop.output.append(UnsafeRawBufferPointer(start: frame, count: count))
    }
    if !hasSentSettings && !loop.output.isEmpty { correctSettings() }
    lifetime.sentBytes &+= loop.output.count
    // A reset of our own ends its stream when it is sent.
    if !streamEvents.isEmpty { deliverStreamEvents() }
    if hasNewAnswer {
      hasNewAnswer = false
      lifetime.answered()
    }
    return !loop.output.isEmpty
  }

  /// Whether the connection is over once everything sent has left.
  var isFinished: Bool {
    guard let session = unsafe session, !mustClose else { return true }
    return unsafe nghttp2_session_want_read(session) == 0
      && nghttp2_session_want_write(session) == 0
  }

  /// Appends a DATA frame's header and the next `length` bytes of a slot's answer.
  func writeDataFrame(
    _ slot: SlotReference, header: UnsafePointer<UInt8>, length: Int
  ) {
    hasNewAnswer = true
    unsafe loop.output.append(UnsafeRawBufferPointer(start: header, count: 9))
    let start = slot.pointee.sent
    // SAFETY: nghttp2 asks for what `readResponse` offered: bytes that are there and not yet sent.
    unsafe loop.output.append(
      UnsafeRawBufferPointer(rebasing: slot.pointee.response.bytes[start..<(start + length)]))
    slot.pointee.sent = start + length
    if length < SentFrames.crumbBytes && slot.pointee.unsentBytes > 0 {
      sentFrames.cut += 1
    } else {
      sentFrames.whole += 1
    }
    if let stream = slot.pointee.stream { didSend(slot, stream) }
  }

  /// Whether ``send(limit:)`` has what it was asked for.
  var isOutputFull: Bool { loop.output.count >= outputLimit }

  // MARK: - Draining

  /// Calls under way.
  var callCount: Int { slots.usedCount }

  /// Whether all that is under way waits for the client, and nothing of it has moved for `grace` nanoseconds: answers
  /// that it takes nothing of, requests that it sends nothing of.
  ///
  /// - Complexity: O(calls), at most four times a second; in between it is false.
  func isStalled(now: UInt64, grace: UInt64) -> Bool {
    guard now >= drainMark.lookedAt + DrainMark.interval else { return false }
    drainMark.lookedAt = now
    var hasher = Hasher()
    for slot in slots.all where slot.pointee.state != .free {
      // What the server has to do takes as long as it takes.
      if slot.pointee.state == .running || slot.pointee.state == .queued
        || slot.pointee.stream?.isWorking == true
      {
        drainMark.movedAt = now
        return false
      }
      hasher.combine(slot.pointee.generation)
      hasher.combine(slot.pointee.unsentBytes)
      hasher.combine(slot.pointee.headerBytes)
      hasher.combine(slot.pointee.prefixCount)
      hasher.combine(slot.pointee.request.count)
      hasher.combine(slot.pointee.givenBytes)
    }
    let place = hasher.finalize()
    if place != drainMark.place {
      drainMark.place = place
      drainMark.movedAt = now
    }
    return now >= drainMark.movedAt + grace
  }

  /// Closes the connection for a reason that the client is told. What of answers can go out at once still does.
  func end(_ code: nghttp2_error_code, _ reason: StaticString) {
    guard let session = unsafe session, !mustClose else { return }
    mustClose = true
    unsafe nghttp2_submit_goaway(
      session, 0, nghttp2_session_get_last_proc_stream_id(session), UInt32(code.rawValue),
      reason.utf8Start, reason.utf8CodeUnitCount)
  }

  /// Closes the connection of a client that has not said a word yet, or that nghttp2 has told an error.
  func endWithoutGoAway() { mustClose = true }

  // MARK: - Slots

  /// Those of calls, and free ones.
  var callSlots: [SlotReference] { slots.all }

  /// - Returns: nil when the client has more streams than it was told, or the server has no calls left; the one is
  ///   refused then.
  func didBeginHeaders(_ streamID: Int32) -> SlotReference? {
    guard loop.calls.take(open: callCount) else {
      unsafe nghttp2_submit_rst_stream(
        session, 0, streamID, UInt32(NGHTTP2_REFUSED_STREAM.rawValue))
      return nil
    }
    let slot = slots.take()
    slot.pointee.begin(streamID: streamID)
    lifetime.hasBegunCalls = true
    if loop.watchesCalls { slot.pointee.began = MonotonicClock.now() }
    lastBegun = slot
    return slot
  }

  /// The slot whose header block is being received, if it is that of `streamID`. RFC 9113 §4.3: no other
  /// frame comes between the frames of a header block.
  @inline(__always)
  func headerSlot(_ streamID: Int32) -> SlotReference? {
    guard let lastBegun, lastBegun.pointee.streamID == streamID, lastBegun.pointee.state == .headers
    else { return nil }
    return lastBegun
  }

  func didCloseStream(_ slot: SlotReference) {
    guard slot.pointee.state != .free else { return }
    release(slot)
    slots.giveBack(slot)
    loop.calls.giveBack(1)
  }

  /// Gives up the memory of slots that are not needed any more, and of an idle connection all that it can do without.
  func trimSlots(now: UInt64) {
    if lastBegun?.pointee.state == .free { lastBegun = nil }
    guard slots.trim(now: now) else { return }
    waitingForCredit = []
    ready = []
  }

  private func release(_ slot: SlotReference) {
    if slot.pointee.state == .held { heldCount -= 1 }
    if loop.watchesCalls { tellEnd(slot) }
    cancelStream(slot)
    assembledBytes -= slot.pointee.request.count
    if slot.pointee.reservedBytes > 0 { useReservation(slot, .max) }
    if slot.pointee.deadline != .max { callsWithDeadline -= 1 }
    countAnswer(slot, 0)
    slot.pointee.end()
  }

  /// The slot a token or event names, unless its stream is gone.
  func liveSlot(_ index: UInt32, _ generation: UInt32) -> SlotReference? {
    guard Int(index) < slots.all.count else { return nil }
    let slot = slots.all[Int(index)]
    return slot.pointee.generation == generation && slot.pointee.state != .free ? slot : nil
  }

  func token(_ slot: SlotReference) -> CallToken {
    CallToken(
      loop: loop.index, connection: index, connectionGeneration: generation,
      slot: slot.pointee.index, generation: slot.pointee.generation)
  }

  /// Puts a slot on the list that ``dispatch()`` works off.
  func enqueue(_ slot: SlotReference) {
    ready.append((slot.pointee.index, slot.pointee.generation))
  }

  func enqueue(_ event: StreamEvent) { streamEvents.append(event) }

  // MARK: - Dispatch

  /// Runs the handlers of every request that `receive` completed, and answers refused ones.
  func dispatch() {
    guard unsafe session != nil else { return }
    var next = 0
    while next < ready.count {
      let (index, generation) = ready[next]
      next += 1
      guard let slot = liveSlot(index, generation) else { continue }
      switch slot.pointee.state {
      case .queued: if slot.pointee.isCompressed { inflateAndRun(slot) } else { run(slot) }
      case .refused: refuse(slot)
      default: break
      }
    }
    ready.removeAll(keepingCapacity: true)
    if !streamEvents.isEmpty { deliverStreamEvents() }
    // Borrowed request bytes end here (invariant 3): a message that was whole while its stream is not
    // yet closed is kept as a copy.
    if borrowedWithoutEnd > 0 { keepBorrowed() }
  }

  /// Calls whose only message was borrowed and whose END_STREAM has not come yet.
  var borrowedWithoutEnd = 0

  private func keepBorrowed() {
    borrowedWithoutEnd = 0
    for slot in slots.all where slot.pointee.state == .receiving {
      guard let borrowed = unsafe slot.pointee.borrowed else { continue }
      unsafe slot.pointee.borrowed = nil
      slot.pointee.request.append(borrowed)
      assembledBytes += borrowed.count
    }
  }

  func run(_ slot: SlotReference) {
    loop.lookUpsLeft &-= 1
    let context = unsafe CallContext(
      token: token(slot), loop: .passUnretained(loop), mayReadBlocks: loop.lookUpsLeft >= 0)
    guard slot.pointee.deadline == .max || slot.pointee.deadline > MonotonicClock.now() else {
      return fail(slot, .deadlineExceeded)
    }
    if let handler = methods.unaryHandlers[Int(slot.pointee.method)] {
      call(slot, handler, context)
    } else if case .serverStream(let handler) = methods.methods[Int(slot.pointee.method)].handler {
      start(slot, handler, context)
    }
  }

  private func call(
    _ slot: SlotReference, _ handler: any UnaryHandler, _ context: CallContext
  ) {
    slot.pointee.state = .running
    slot.pointee.response.append(MessagePrefix.empty)
    let request = unsafe slot.pointee.borrowed ?? slot.pointee.request.bytes
    let outcome = handler.call(request, context, &slot.pointee.response)
    unsafe slot.pointee.borrowed = nil
    switch outcome {
    case .done:
      // Small ones are counted if they have not left by the next look: see `lookAtCalls`.
      let bytes = slot.pointee.response.count
      loop.lookUpsLeft &-= bytes / Self.lookUpBytes
      if bytes > Self.smallAnswerBytes {
        guard !isAnswerMemorySpent else { return fail(slot, .answerMemoryFull) }
        countAnswer(slot, bytes)
      }
      answer(slot)
    case .failed(let status): fail(slot, status)
    case .pending: wait(slot, nil)
    case .cancellable(let cancellation): wait(slot, cancellation)
    }
  }

  private static let smallAnswerBytes = 4 << 10
  /// Bytes of an answer that count for a look-up.
  private static let lookUpBytes = 16 << 10

  /// Says what a call's answer holds of the memory for answers.
  func countAnswer(_ slot: SlotReference, _ bytes: Int) {
    guard bytes != slot.pointee.answerBytes else { return }
    heldAnswerBytes += bytes - slot.pointee.answerBytes
    loop.budgets.answers.add(bytes - slot.pointee.answerBytes)
    slot.pointee.answerBytes = bytes
  }

  /// Leaves a call to whoever completes it later.
  private func wait(_ slot: SlotReference, _ cancellation: CallCancellation?) {
    slot.pointee.cancellation = cancellation
    slot.pointee.response.removeAll(keepingAtMost: CallSlot.retainedBytes)
    dropRequest(slot)
  }

  /// Gives up the memory of a request message that nobody needs any more.
  func dropRequest(_ slot: SlotReference) {
    assembledBytes -= slot.pointee.request.count
    slot.pointee.request.removeAll(keepingAtMost: CallSlot.retainedBytes)
  }

  /// Tells streaming calls what has come for them.
  func deliverStreamEvents() {
    while !streamEvents.isEmpty {
      let events = streamEvents
      streamEvents.removeAll()
      for event in events { deliver(event) }
    }
  }

  private func deliver(_ event: StreamEvent) {
    switch event {
    case .cancel(let stream): stream.cancel()
    case .advance(let index, let generation):
      if let slot = liveSlot(index, generation) { advance(slot) }
    }
  }

  /// Answers every call whose deadline has passed.
  func expireCalls(now: UInt64) {
    guard callsWithDeadline > 0 else { return }
    for slot in slots.all where slot.pointee.deadline <= now {
      switch slot.pointee.state {
      case .receiving, .queued, .running:
        cancelStream(slot)
        slot.pointee.cancellation?.cancel()
        fail(slot, .deadlineExceeded)
      case .responding where slot.pointee.sent < slot.pointee.response.count:
        // The client stopped reading, and by now waiting: its answer need not be kept.
        slot.pointee.deadline = .max
        callsWithDeadline -= 1
        if slot.pointee.failure == nil { slot.pointee.failure = .deadlineExceeded }
        reset(slot)
      case .free, .headers, .refused, .held, .responding: break
      }
    }
    deliverStreamEvents()
  }
}
