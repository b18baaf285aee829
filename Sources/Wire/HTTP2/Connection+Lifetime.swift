import CNghttp2
import Platform

// SAFETY: `session` is valid (invariant 4 of `Connection`). nghttp2 copies the data of a PING and of a GOAWAY before
// the submit returns.

/// Keepalive, age and drain: what ``ConnectionLifetime`` decides is carried out here.
extension Connection {
  /// Looks after the connection, twice a second.
  ///
  /// - Parameter isReading: whether what the client sends is read; it is not while it takes nothing.
  /// - Returns: whether there may be something to send, or to end.
  func look(now: UInt64, isReading: Bool) -> Bool {
    guard !mustClose else { return true }
    var mustFlush = false
    switch lifetime.keepalive.look(now: now, hasHeard: lifetime.takeHeard() || !isReading) {
    case .none: break
    case .ping:
      submitPing(.keepalive)
      mustFlush = true
    case .close:
      end(NGHTTP2_NO_ERROR, "keepalive_timeout")
      return true
    }
    let hasCalls = lifetime.takeBegunCalls() || callCount > 0
    switch lifetime.age.look(now: now, hasCalls: hasCalls) {
    case .none: break
    case .drain(let reason):
      beginDrain(reason, now: now)
      mustFlush = true
    case .close:
      end(NGHTTP2_NO_ERROR, ConnectionDrain.Reason.age.text)
      return true
    }
    if lifetime.drain.look(now: now) {
      submitLastGoAway()
      mustFlush = true
    }
    return mustFlush
  }

  // MARK: - Draining

  /// Whether the server ends: streams are not begun any more.
  var draining: Bool { lifetime.drain.reason == .shutdown }

  /// Tells the client that no new calls are wanted, see ``ConnectionDrain``. When the server ends, streaming calls are
  /// asked to end too. A client that has not said a word yet is not waited for.
  func beginDrain(_ reason: ConnectionDrain.Reason, now: UInt64) {
    guard let session = unsafe session, lifetime.drain.reason != .shutdown else { return }
    if lifetime.drain.begin(reason, now: now) {
      guard lifetime.hasHeard || lifetime.hasEverHeard else { return endUnheard() }
      unsafe nghttp2_submit_shutdown_notice(session)
      owesDrainPing = true
    }
    guard reason == .shutdown else { return }
    for slot in callSlots { drainStream(slot) }
    deliverStreamEvents()
  }

  /// A GOAWAY was handed to the socket; the PING of the first one comes after it.
  func didSendGoAway() {
    guard owesDrainPing else { return }
    owesDrainPing = false
    submitPing(.drain)
  }

  private func submitLastGoAway() {
    guard let session = unsafe session else { return }
    let text = lifetime.drain.reason?.text ?? ""
    unsafe nghttp2_submit_goaway(
      session, 0, nghttp2_session_get_last_proc_stream_id(session),
      UInt32(NGHTTP2_NO_ERROR.rawValue), text.utf8Start, text.utf8CodeUnitCount)
  }

  // MARK: - PING

  private func submitPing(_ purpose: ConnectionLifetime.PingPurpose) {
    guard let session = unsafe session else { return }
    let data = lifetime.pingData(purpose)
    unsafe withUnsafeBytes(of: data) {
      _ = unsafe nghttp2_submit_ping(
        session, 0, $0.baseAddress?.assumingMemoryBound(to: UInt8.self))
    }
  }

  /// A PING of the client, which nghttp2 answers.
  func didReceivePing() {
    guard !lifetime.strikes.pinged(now: MonotonicClock.now()) else { return }
    end(NGHTTP2_ENHANCE_YOUR_CALM, "too_many_pings")
  }

  func didReceivePingAnswer(_ data: UInt64) {
    guard lifetime.pingAnswered(data) == .drain, lifetime.drain.acknowledged() else { return }
    submitLastGoAway()
  }

  // MARK: - Errors

  /// Counts frames a well-behaved client does not send; too many end the connection.
  func didReceiveInvalidFrame() {
    invalidFrames += 1
    if invalidFrames > 200 { end(NGHTTP2_ENHANCE_YOUR_CALM, "too_many_errors") }
  }

  /// Closes the connection after an error of nghttp2 that is fatal, and that nghttp2 has told nobody.
  func endAfterError(_ error: CInt) {
    switch error {
    case NGHTTP2_ERR_FLOODED.rawValue: end(NGHTTP2_ENHANCE_YOUR_CALM, "too_many_frames")
    case NGHTTP2_ERR_TOO_MANY_CONTINUATIONS.rawValue:
      end(NGHTTP2_ENHANCE_YOUR_CALM, "too_many_continuations")
    case NGHTTP2_ERR_BAD_CLIENT_MAGIC.rawValue: end(NGHTTP2_PROTOCOL_ERROR, "bad_preface")
    default: end(NGHTTP2_INTERNAL_ERROR, "internal_error")
    }
  }
}
