import Bytes
import CLinux
import Glibc
import Platform
import Synchronization

// SAFETY: the buffer is freed when the loop is over that reads into it. Slots stay where they are as long as their
// table, which the connection keeps (`SlotTable`).

/// Ends all threads of a load when one of them fails.
final class StopSignal: Sendable {
  private let flag = Atomic(false)
  var isSet: Bool { flag.load(ordering: .relaxed) }
  func set() { flag.store(true, ordering: .relaxed) }
}

/// What a thread has seen.
package struct LoadResult: Sendable {
  package var times: LoopTimes
  /// Calls that count and were answered by an error.
  package var errors = 0
  package var firstError: String?
  /// Records that the calls which count were about, and those of them that were stored.
  package var records = 0
  package var storedRecords = 0
  /// Bytes of the answers that count, as the protocol frames them.
  package var answerBytes = 0

  mutating func merge(_ other: LoadResult) {
    times.merge(other.times)
    errors += other.errors
    firstError = firstError ?? other.firstError
    records += other.records
    storedRecords += other.storedRecords
    answerBytes += other.answerBytes
  }
}

/// One thread of the load generator: an event loop over its connections.
///
/// Closed loop: each slot makes its next call when it has the answer to the one before. Open loop: calls are due
/// at fixed times, whatever the answers; a call that finds no free slot waits, and its time runs from when it was
/// due, so that a server which stalls cannot hide the calls it kept from being made (Tene, "How NOT to measure
/// latency", 2013).
///
/// Confined: connected on one thread, run on another.
final class LoadThread<D: Dialect> {
  /// How long no answer may come while some are awaited. Unit: nanoseconds.
  private static var patience: UInt64 { 20_000_000_000 }
  private static var bufferByteCount: Int { 256 << 10 }

  private let dialect: D
  private let shape: LoadShape
  private let number: Int
  private let connections: [LoadConnection<D.Session>]
  private let stop: StopSignal
  private let poller: Poller
  private var random: SplitMix64
  private let zipfian: Zipfian
  /// Where the record of a rank lies.
  private let order: Permutation
  /// Of each record, as far as they are known; of `write` alone. Each record is written by one slot.
  private var etags: [CallSlot.KnownEtag?]
  private var result = LoadResult(times: LoopTimes(startedAt: 0))
  private var inFlightCount = 0
  /// Calls begun, and of those with a fixed number, the next one.
  private var begunCount = 0
  private var measureFrom: UInt64 = 0
  private var measureUntil: UInt64 = 0
  private var lastAnswerAt: UInt64 = 0
  /// Of the open loop.
  private var nextDue: UInt64 = 0
  private var interval: UInt64 = 0
  private var nextConnection = 0

  /// Connects.
  init(
    _ dialect: D, shape: LoadShape, number: Int, address: SocketAddress, tls: TLSClient?,
    stop: StopSignal
  ) throws(LoadFailure) {
    self.dialect = dialect
    self.shape = shape
    self.number = number
    self.stop = stop
    random = SplitMix64(seed: shape.seed, stream: shape.stream << 16 | UInt64(number))
    zipfian = Zipfian(count: shape.records)
    order = Permutation(count: shape.records, seed: shape.seed, stream: 0x7a69_7066)
    etags = shape.workload == .write ? Array(repeating: nil, count: shape.records) : []
    poller = try Poller()
    var connections: [LoadConnection<D.Session>] = []
    let count =
      shape.connections / shape.threads + (number < shape.connections % shape.threads ? 1 : 0)
    for index in 0..<count {
      let slots = SlotTable(count: shape.inFlight)
      let connection = LoadConnection(
        stream: try ByteStream(to: address, tls: tls), session: dialect.makeSession(slots: slots),
        slots: slots)
      try poller.add(connection.stream.descriptor, number: index)
      connections.append(connection)
    }
    self.connections = connections
  }

  /// Makes the calls and waits for their answers.
  ///
  /// - Parameter start: on the monotonic clock, the same for all threads.
  func run(from start: UInt64) throws(LoadFailure) -> LoadResult {
    let isCounted = shape.callCount != nil
    // A fixed number of calls all count, from the first one on.
    measureFrom = isCounted ? MonotonicClock.now() : start + shape.warmUp
    measureUntil = isCounted ? .max : measureFrom + shape.duration
    result = LoadResult(times: LoopTimes(startedAt: measureFrom))
    lastAnswerAt = measureFrom
    // Sleeps of the open loop end when they should, not up to 50 microseconds later.
    linux_set_timer_slack(1)
    if let rate = shape.ratePerSecond {
      interval = UInt64(shape.threads) * 1_000_000_000 / UInt64(max(1, rate))
      // Threads take turns.
      nextDue = start + interval * UInt64(number) / UInt64(shape.threads)
    } else {
      let now = MonotonicClock.now()
      for connection in connections {
        while let slot = connection.freeSlots.popLast() {
          guard try begin(slot, of: connection, startedAt: now) else { break }
        }
      }
    }
    for connection in connections { try flush(connection) }
    try loop()
    if !isCounted { result.times.endWindow(at: measureUntil) }
    return result
  }

  private func loop() throws(LoadFailure) {
    let buffer = UnsafeMutableRawBufferPointer.allocate(
      byteCount: Self.bufferByteCount, alignment: 16)
    defer { unsafe buffer.deallocate() }
    while !stop.isSet {
      var now = MonotonicClock.now()
      if shape.ratePerSecond != nil { try beginDue(now) }
      if inFlightCount == 0, isOver(now) { return }
      if inFlightCount > 0, now > lastAnswerAt, now - lastAnswerAt > Self.patience {
        throw LoadFailure("none of \(inFlightCount) calls was answered for 20 s")
      }
      let readyCount = try poller.wait(nanoseconds: waitTime())
      for position in 0..<readyCount {
        let (index, canRead) = poller.ready(position)
        let connection = connections[index]
        if canRead { try connection.receive(buffer) }
        repeat {
          if !connection.session.finished.isEmpty {
            now = MonotonicClock.now()
            try finishCalls(of: connection, now)
          }
          try flush(connection)
          // A call may end when its request is sent, such as one that was answered before.
        } while !connection.session.finished.isEmpty
      }
    }
  }

  private func isOver(_ now: UInt64) -> Bool {
    if let count = shape.callCount { return begunCount >= share(of: count) }
    return now >= measureUntil && (shape.ratePerSecond == nil || nextDue >= measureUntil)
  }

  private func waitTime() -> UInt64 {
    // Short enough to see the stop signal.
    let longest: UInt64 = 50_000_000
    guard shape.ratePerSecond != nil, nextDue < measureUntil else { return longest }
    let now = MonotonicClock.now()
    if nextDue > now { return min(longest, nextDue - now) }
    // Became due since the clock was read, or nothing is free for it: then the next answer wakes.
    return connections.contains { !$0.freeSlots.isEmpty } ? 0 : longest
  }

  /// The part of `count` calls that this thread makes.
  private func share(of count: Int) -> Int {
    count / shape.threads + (number < count % shape.threads ? 1 : 0)
  }

  private func flush(_ connection: LoadConnection<D.Session>) throws(LoadFailure) {
    let wasBlocked = connection.isBlocked
    try connection.flush()
    if connection.isBlocked != wasBlocked {
      guard let index = connections.firstIndex(where: { $0 === connection }) else { return }
      try poller.change(
        connection.stream.descriptor, number: index, waitsToWrite: connection.isBlocked)
    }
  }

  // MARK: - Calls

  /// Begins all calls that are due and find a free slot.
  private func beginDue(_ now: UInt64) throws(LoadFailure) {
    while nextDue <= now, nextDue < measureUntil {
      guard let connection = connectionWithFreeSlot(), let slot = connection.freeSlots.popLast()
      else { break }
      _ = try begin(slot, of: connection, startedAt: nextDue)
      nextDue += interval
    }
    for connection in connections where connection.hasNewCalls { try flush(connection) }
  }

  private func connectionWithFreeSlot() -> LoadConnection<D.Session>? {
    for _ in connections.indices {
      let connection = connections[nextConnection]
      nextConnection = nextConnection + 1 == connections.count ? 0 : nextConnection + 1
      if !connection.freeSlots.isEmpty { return connection }
    }
    return nil
  }

  /// Begins a call, unless all have been made; then the slot is free again.
  private func begin(
    _ slot: Int, of connection: LoadConnection<D.Session>, startedAt: UInt64
  ) throws(LoadFailure) -> Bool {
    if let count = shape.callCount, begunCount >= share(of: count) {
      connection.freeSlots.append(slot)
      return false
    }
    let address = unsafe connection.slots.address(slot)
    let operation = shape.workload.nextOperation(&random)
    unsafe address.pointee.operation = operation
    unsafe address.pointee.index = nextIndex(operation)
    if operation == .write {
      let index = unsafe ownRecord(address.pointee.index, slot, of: connection)
      unsafe address.pointee.index = index
      unsafe address.pointee.etag = etags[index]
    }
    if operation == .in {
      unsafe address.pointee.indexes.removeAll(keepingCapacity: true)
      for _ in 0..<shape.sizes.in { unsafe address.pointee.indexes.append(nextRecord()) }
    }
    unsafe address.pointee.generation = nextGeneration()
    unsafe address.pointee.startedAt = startedAt
    unsafe address.pointee.sentCount = 0
    unsafe address.pointee.response.removeAll()
    unsafe address.pointee.outcome = .pending
    unsafe dialect.writeRequest(&address.pointee)
    try connection.session.submit(slot)
    connection.hasNewCalls = true
    begunCount += 1
    inFlightCount += 1
    return true
  }

  private func nextIndex(_ operation: Operation) -> Int {
    if shape.firstFillBatch != nil { return shape.fillIndex(ofBatch: begunCount, thread: number) }
    if shape.workload == .insert { return shape.insertIndex(begunCount, thread: number) }
    let index = nextRecord()
    switch operation {
    case .get, .put, .in, .uniqueGet, .write, .update, .transact: return index
    // The group's first one.
    case .indexGet: return index % shape.groupCount
    case .delete:
      guard shape.workload.deleted == .lastOfEight else { return index }
      return index | 7 < shape.records ? index | 7 : 7
    case .page: return max(index, shape.sizes.page - 1)
    case .rangeGet where shape.sizes.rangesHavePrefix:
      return index / shape.sizes.rangeGet * shape.sizes.rangeGet
    case .batchPut, .rangeGet, .count, .stream:
      return min(index, shape.records - shape.sizes.records(of: operation))
    }
  }

  private func nextGeneration() -> UInt8 {
    let first = RecordGroups.generations.lowerBound
    guard shape.workload.changesRecords else { return first }
    // Any other one: a record that has it already is one in 126.
    return first + 1 + UInt8(random.next(below: RecordGroups.generations.count - 1))
  }

  /// The record next to `index` that only this slot writes.
  private func ownRecord(
    _ index: Int, _ slot: Int, of connection: LoadConnection<D.Session>
  ) -> Int {
    let place = connections.firstIndex { $0 === connection } ?? 0
    let own = (place * shape.inFlight + slot) * shape.threads + number
    let count = shape.connections * shape.inFlight
    let index = index / count * count + own
    // With fewer records than slots some share one, and write it with an etag that is gone.
    return index < shape.records ? index : own % shape.records
  }

  private func nextRecord() -> Int {
    switch shape.keys {
    case .uniform: random.next(below: shape.records)
    case .zipfian: order.number(at: zipfian.next(&random))
    case .single: 0
    }
  }

  private func finishCalls(
    of connection: LoadConnection<D.Session>, _ now: UInt64
  ) throws(LoadFailure) {
    let finished = connection.session.finished
    connection.session.finished.removeAll(keepingCapacity: true)
    let isClosedLoop = shape.ratePerSecond == nil
    lastAnswerAt = now
    for slot in finished {
      inFlightCount -= 1
      let address = unsafe connection.slots.address(slot)
      let startedAt = unsafe address.pointee.startedAt
      // In the open loop those count that were due in time, whenever they end.
      let counts =
        isClosedLoop ? now < measureUntil && now >= measureFrom : startedAt >= measureFrom
      try unsafe check(&address.pointee, counts: counts)
      if counts {
        result.times.record(now - startedAt, endedAt: now)
      } else if isClosedLoop, now >= measureUntil {
        result.times.recordLate(now - startedAt)
      }
      if isClosedLoop, now < measureUntil {
        _ = try begin(slot, of: connection, startedAt: now)
      } else {
        connection.freeSlots.append(slot)
      }
    }
  }

  @inline(__always)
  private func check(_ slot: inout CallSlot, counts: Bool) throws(LoadFailure) {
    if case .failed(let text) = slot.outcome {
      if counts { result.errors += 1 }
      result.firstError = result.firstError ?? text
      return
    }
    guard dialect.isRight(slot, deleted: shape.workload.deleted) else {
      throw LoadFailure("wrong answer to \(slot.operation) of record \(slot.index)")
    }
    if slot.operation == .write { etags[slot.index] = SeandbDialect.etag(slot) }
    guard counts else { return }
    let records = shape.sizes.records(of: slot.operation)
    result.records += records
    switch slot.operation {
    case .put, .batchPut, .write, .update, .transact: result.storedRecords += records
    default: break
    }
    result.answerBytes += slot.response.count
  }
}
