import CNghttp2
import Platform

// SAFETY: `session` is valid (invariant 4 of `Connection`). nghttp2 copies the data of a PING and of a GOAWAY before
// the submit returns.

/// Keepalive, age and drain, and clients that do too much: what ``ConnectionLifetime`` decides is carried out here.
extension Connection {
  /// Looks after the connection, twice a second.
  ///
  /// - Parameters:
  ///   - isReading: whether what the client sends is read; it is not while it takes nothing.
  ///   - isWriting: whether the socket takes bytes.
  /// - Returns: whether there may be something to send, or to end.
  func look(now: UInt64, isReading: Bool, isWriting: Bool) -> Bool {
    guard !mustClose else { return true }
    let hasCalls = lifetime.takeBegunCalls() || callCount > 0
    lifetime.hadCalls = hasCalls
    let elapsed = now - min(now, lifetime.lookedAt)
    lifetime.lookedAt = now
    lifetime.resets.leak(elapsed)
    lifetime.errors.leak(elapsed)
    lifetime.frames.recover(elapsed)
    let hasHeard = lifetime.takeHeard() || !isReading
    // The answer to our SETTINGS may come after all that the client sends of its first requests.
    let mayBeLate = lifetime.hasAcknowledged || hasHeard || callCount > 0
    switch lifetime.opening.look(
      now: now, mayBeUnacknowledged: mayBeLate, headerBlock: isReading ? headerBlock : nil)
    {
    case .none: break
    case .endForSettings:
      end(NGHTTP2_SETTINGS_TIMEOUT, "settings_timeout")
      return true
    case .endForHeaders:
      end(NGHTTP2_ENHANCE_YOUR_CALM, "headers_too_slow")
      return true
    }
    trimSlots(now: now)
    lookAtCalls()
    var mustFlush = endSlowCalls(now: now, isReading: isReading, isWriting: isWriting)
    if heldCount > 0 {
      answerHeld()
      mustFlush = true
    }
    switch lifetime.keepalive.look(now: now, hasHeard: hasHeard) {
    case .none: break
    case .ping:
      submitPing(.keepalive)
      mustFlush = true
    case .close:
      end(NGHTTP2_NO_ERROR, "keepalive_timeout")
      return true
    }
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

  /// Closes the connection of a client whose certificate does not count any more, and ends its calls with it.
  func endUntrusted(_ lost: LostTrust) {
    switch lost {
    case .expired: end(NGHTTP2_NO_ERROR, "client_certificate_expired")
    case .withdrawn: end(NGHTTP2_NO_ERROR, "client_certificate_withdrawn")
    }
  }

  // MARK: - Draining

  /// Whether the server ends: streams are not begun any more.
  var draining: Bool { lifetime.drain.reason == .shutdown }

  /// Tells the client that no new calls are wanted, see ``ConnectionDrain``. When the server ends, streaming calls are
  /// asked to end too. A client that has not said a word yet is not waited for.
  func beginDrain(_ reason: ConnectionDrain.Reason, now: UInt64) {
    guard let session = unsafe session, lifetime.drain.reason != .shutdown else { return }
    if lifetime.drain.begin(reason, now: now) {
      guard lifetime.hasHeard || lifetime.hasEverHeard else { return endWithoutGoAway() }
      unsafe nghttp2_submit_shutdown_notice(session)
      owesDrainPing = true
    }
    guard reason == .shutdown else { return }
    for slot in callSlots { drainStream(slot) }
    deliverStreamEvents()
  }

  /// A GOAWAY was handed to the socket; the PING of the first one comes after it. An error is the end: nobody is asked
  /// whether it was read.
  func didSendGoAway(_ code: UInt32) {
    if code != UInt32(NGHTTP2_NO_ERROR.rawValue) { endWithoutGoAway() }
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

  /// Counts a reset by the client. A call that was answered, or given up, costs nobody anything.
  func didReceiveReset(_ slot: SlotReference) {
    guard slot.pointee.state != .responding, slot.pointee.state != .free else { return }
    guard !lifetime.resets.fill() else { return }
    end(NGHTTP2_ENHANCE_YOUR_CALM, "too_many_resets")
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
