import Bytes
import Engine
import Records
import Schema
import Wire

// SAFETY: a key is lent until the return.

/// What the reading handlers of one model share: the store, the threads for what blocks, and the limit of an answer.
struct ModelReads: Sendable {
  let store: ModelStore
  /// The place of the index by which records are found; nil: by their keys.
  var index: Int?
  let threads: StorageReads
  /// Of all models: they share caches and disk.
  let tries: TriesByTier
  /// The same for reads of several records.
  let scanTries: TriesByTier
  /// Of the engine's traits.
  let lookUpCost: Int
  let maximumResponseBytes: Int

  /// What a long request asks for, or why it is refused.
  ///
  /// - Parameter chunkBytes: as in ``AnswerLimits``, of a stream.
  func scan(_ request: KeptRequest, chunkBytes: Int? = nil) -> Result<RecordScan, RPCStatus> {
    request.withBytes { request in
      do throws(QueryError) {
        return .success(try scan(request, chunkBytes: chunkBytes))
      } catch {
        return .failure(StatusMapping.status(of: error))
      }
    }
  }

  /// What a request asks for.
  ///
  /// - Parameter chunkBytes: as in ``AnswerLimits``, of a stream.
  @safe
  func scan(
    _ request: UnsafeRawBufferPointer, chunkBytes: Int? = nil
  ) throws(QueryError) -> RecordScan {
    let limits =
      chunkBytes.map { AnswerLimits(bytes: maximumResponseBytes, chunkBytes: $0) }
      ?? AnswerLimits(bytes: maximumResponseBytes)
    if let index {
      return try store.scan(byIndex: index, request, limits, isStream: chunkBytes != nil)
    }
    if store.hasColumns {
      return try store.columnScan(request, limits, isStream: chunkBytes != nil)
    }
    let query = try unsafe parseIndexQuery(request)
    if chunkBytes != nil { try query.options.refuseForStream() }
    return try store.scan(query, of: request, limits)
  }

  func status(of error: EngineError) -> RPCStatus {
    StatusMapping.status(ofRead: error, model: store.model.fullName)
  }

  var responseTooLarge: RPCStatus { StatusMapping.responseTooLarge(limit: maximumResponseBytes) }

  /// Why a scan ended with `tooLarge`.
  func tooLarge(_ scan: RecordScan) -> RPCStatus {
    guard let record = scan.oversizedRecord else { return responseTooLarge }
    return unsafe record.key.withUnsafeBytes {
      StatusMapping.recordTooLarge(
        limit: maximumResponseBytes, model: store.model.fullName, key: ShownKey($0, store),
        pageToken: record.pageToken)
    }
  }

  /// Why a scan ended with `corruptIndex`.
  func corruptIndex(_ scan: RecordScan) -> RPCStatus {
    let name = index.flatMap { store.indexes?.all[$0].plan.index.name } ?? ""
    return unsafe scan.missingRecord.withUnsafeBytes {
      StatusMapping.corruptIndex(
        name, model: store.model.fullName, key: ShownKey($0, store))
    }
  }

  /// Why a look-up failed whose answer would be larger than `limit`.
  ///
  /// - Parameter key: as the request has it, as below.
  @safe
  static func tooLarge(_ key: UnsafeRawBufferPointer, _ store: ModelStore, limit: Int) -> RPCStatus
  {
    StatusMapping.recordTooLarge(
      limit: limit, model: store.model.fullName, key: ShownKey(key, store), pageToken: nil)
  }

  /// What a look-up ends with that has to find a record, and finds none.
  @safe
  static func absent(_ key: UnsafeRawBufferPointer, _ store: ModelStore) -> RPCStatus {
    StatusMapping.recordNotFound(model: store.model.fullName, key: ShownKey(key, store))
  }

  /// Whether an answer with gRPC's prefix is small enough.
  func fits(_ response: borrowing ByteWriter) -> Bool {
    response.count - Completions.prefixBytes <= maximumResponseBytes
  }

  /// How a read ended that was tried as a look-up.
  enum ExactOutcome {
    case ended(UnaryOutcome)
    /// It has to be read by ``scan(_:chunkBytes:)``.
    case notExact
    /// The same, and a thread that may block has to read it.
    case wouldBlock
  }

  /// Answers a query that has an `eq` for each column of a key or of a unique index and nothing else. Unless it has
  /// ended, `response` is as it was.
  @safe
  func exactPoint(
    _ request: UnsafeRawBufferPointer, _ context: CallContext, _ response: inout ByteWriter
  ) throws(QueryError) -> ExactOutcome {
    var key = ByteWriter()
    guard let index else {
      guard store.appendExactKey(request, to: &key) else { return .notExact }
      return unsafe .ended(point(key.bytes, .inList, context, &response))
    }
    guard try store.appendEntryKey(byIndex: index, request, to: &key) else { return .notExact }
    let tries = scanTries[context.mayReadBlocks]
    guard tries.isDue || threads.points.isFull else { return .wouldBlock }
    let start = response.count
    do throws(EngineError) {
      let tier: ReadTier = context.mayReadBlocks ? .pageCache : .memory
      switch try unsafe store.point(ofEntry: key.bytes, byIndex: index, tier: tier, into: &response)
      {
      case .found where fits(response):
        tries.succeeded()
        // The call itself has counted for one.
        context.charge(lookUps: 2 * lookUpCost - 1)
        return .ended(.done)
      case .absent:
        tries.succeeded()
        context.charge(lookUps: lookUpCost - 1)
        return .ended(.done)
      case .wouldBlock:
        tries.wouldBlock()
        return .wouldBlock
      case .found, .unsettled:
        response.truncate(to: start)
        return .notExact
      }
    } catch {
      return .ended(.failed(status(of: error)))
    }
  }

  /// Answers with the record under `key`: at once when no wait for the disk is needed, else from a storage thread.
  /// Without such a record the list is empty, and a record alone is NOT_FOUND.
  @safe
  func point(
    _ key: UnsafeRawBufferPointer, _ answer: ModelStore.PointAnswer, _ context: CallContext,
    _ response: inout ByteWriter
  ) -> UnaryOutcome {
    if store.cache.isInUse { return cachedPoint(key, answer, context, &response) }
    do throws(EngineError) {
      // What the threads would refuse may be in memory all the same.
      let tries = self.tries[context.mayReadBlocks]
      guard tries.isDue || threads.points.isFull else {
        return threads.points.read(key, of: store, answer, context)
      }
      let tier: ReadTier = context.mayReadBlocks ? .pageCache : .memory
      // The call itself has counted for one.
      if lookUpCost > 1 { context.charge(lookUps: lookUpCost - 1) }
      switch try store.point(key, answer, tier: tier, into: &response) {
      case .wouldBlock:
        tries.wouldBlock()
        return threads.points.read(key, of: store, answer, context)
      case .found:
        tries.succeeded()
        return fits(response)
          ? .done : .failed(Self.tooLarge(key, store, limit: maximumResponseBytes))
      case .absent:
        tries.succeeded()
        if case .alone = answer { return .failed(Self.absent(key, store)) }
        return .done
      }
    } catch {
      return .failed(status(of: error))
    }
  }

  /// The same with the cache of records asked first, which is in use.
  @safe
  @inline(never)
  private func cachedPoint(
    _ key: UnsafeRawBufferPointer, _ answer: ModelStore.PointAnswer, _ context: CallContext,
    _ response: inout ByteWriter
  ) -> UnaryOutcome {
    do throws(EngineError) {
      let tries = self.tries[context.mayReadBlocks]
      let isTried = tries.isDue || threads.points.isFull
      let tier: ReadTier? = isTried ? (context.mayReadBlocks ? .pageCache : .memory) : nil
      let outcome = try store.cachedPoint(key, answer, tier: tier, into: &response)
      if case .read = outcome, lookUpCost > 1 { context.charge(lookUps: lookUpCost - 1) }
      switch outcome {
      case .notTried: return threads.points.read(key, of: store, answer, context)
      case .read(.wouldBlock):
        tries.wouldBlock()
        return threads.points.read(key, of: store, answer, context)
      case .cached: break
      case .read(.found): tries.succeeded()
      case .read(.absent):
        tries.succeeded()
        if case .alone = answer { return .failed(Self.absent(key, store)) }
        return .done
      }
      return fits(response)
        ? .done : .failed(Self.tooLarge(key, store, limit: maximumResponseBytes))
    } catch {
      return .failed(status(of: error))
    }
  }
}
