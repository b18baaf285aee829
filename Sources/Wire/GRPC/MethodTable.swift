import Glibc

// SAFETY: the bytes of a path are lent until the look-up returns, those of a method by its array until the comparison
// does; every index is checked against their count.

/// The methods of a server by the bytes of their path (`/package.Service/Method`). Immutable.
///
/// Look-up hashes the path once and compares it with at most a few candidates: no String, no allocation.
/// O(path length).
final class MethodTable: Sendable {
  struct Method: Sendable {
    let path: [UInt8]
    let handler: Handler
    /// Lower-case names of the request headers that the handler wants.
    var metadata: [String] = []
  }

  enum Handler: Sendable {
    case unary(any UnaryHandler)
    case streaming(any StreamingHandler)
    case serverStream(any ServerStreamHandler)
  }

  let methods: [Method]
  /// The handlers of the unary methods, by the same index: a call copies no more than its handler.
  let unaryHandlers: [(any UnaryHandler)?]
  /// The methods for hooks.
  let names: [CallMethod]
  /// Names of all request headers that are kept, those that the hooks want first.
  let keptNames: [String]
  private let keptByHooks: Int
  /// Indices of ``keptNames`` that a handler wants, by its method.
  private let keptByMethod: [[UInt8]]
  private let services: Set<String>
  /// Open addressing, at most half full: index into `methods`, or -1.
  private let buckets: [Int32]

  /// - Parameter hooks: what is kept of the calls of all methods.
  init(_ methods: [Method], keeping hooks: [String] = []) {
    self.methods = methods
    var kept = hooks
    keptByMethod = methods.map { method in
      method.metadata.map { name in
        if let index = kept.firstIndex(of: name) { return UInt8(index) }
        kept.append(name)
        precondition(kept.count <= 255)
        return UInt8(kept.count - 1)
      }
    }
    keptNames = kept
    keptByHooks = hooks.count
    unaryHandlers = methods.map {
      if case .unary(let handler) = $0.handler { handler } else { nil }
    }
    names = methods.enumerated().map {
      CallMethod(index: $0.offset, path: String(decoding: $0.element.path, as: UTF8.self))
    }
    services = Set(methods.compactMap { Self.split(String(decoding: $0.path, as: UTF8.self))?.0 })
    var size = 16
    while size < methods.count * 2 { size *= 2 }
    var buckets = [Int32](repeating: -1, count: size)
    for (index, method) in methods.enumerated() {
      var bucket =
        unsafe Int(truncatingIfNeeded: method.path.withUnsafeBytes(Self.hash)) & (size - 1)
      while buckets[bucket] >= 0 { bucket = (bucket + 1) & (size - 1) }
      buckets[bucket] = Int32(index)
    }
    self.buckets = buckets
  }

  /// The method's index in `methods`, or -1.
  ///
  /// - Parameter guess: a method that it may well be, or -1: that of the call before.
  @safe
  @inline(__always)
  func find(_ path: UnsafeRawBufferPointer, guess: Int32) -> Int32 {
    if guess >= 0, Self.isEqual(methods[Int(guess)].path, path) { return guess }
    return find(path)
  }

  @safe
  private static func isEqual(_ path: [UInt8], _ other: UnsafeRawBufferPointer) -> Bool {
    unsafe path.withUnsafeBytes { candidate in
      guard candidate.count == other.count, let a = candidate.baseAddress, let b = other.baseAddress
      else { return false }
      return unsafe memcmp(a, b, candidate.count) == 0
    }
  }

  @safe
  @inline(never)
  private func find(_ path: UnsafeRawBufferPointer) -> Int32 {
    let mask = buckets.count - 1
    var bucket = Int(truncatingIfNeeded: Self.hash(path)) & mask
    while buckets[bucket] >= 0 {
      let index = buckets[bucket]
      if Self.isEqual(methods[Int(index)].path, path) { return index }
      bucket = (bucket + 1) & mask
    }
    return -1
  }

  /// The index in ``keptNames`` of a request header that is wanted of a method's calls; nil of another one.
  /// O(wanted names).
  ///
  /// - Parameter method: an index in `methods`, or -1.
  @safe
  func keptIndex(_ name: UnsafeRawBufferPointer, method: Int) -> UInt8? {
    for index in 0..<keptByHooks where unsafe keptNames[index].utf8.elementsEqual(name) {
      return UInt8(index)
    }
    guard method >= 0 else { return nil }
    return keptByMethod[method].first { unsafe keptNames[Int($0)].utf8.elementsEqual(name) }
  }

  /// Why a path finds no method, in the words of grpc-go.
  func unknownMethodStatus(_ path: String) -> RPCStatus {
    guard let (service, method) = Self.split(path) else {
      return RPCStatus(
        .unimplemented, reason: "MALFORMED_METHOD",
        "malformed method name \"\(path)\": expected /package.Service/Method")
    }
    guard services.contains(service) else {
      return RPCStatus(
        .unimplemented, reason: "UNKNOWN_SERVICE",
        "unknown service \(service); this server has \(services.sorted().joined(separator: ", "))")
    }
    return RPCStatus(
      .unimplemented, reason: "UNKNOWN_METHOD",
      "unknown method \(method) for service \(service); list them by reflection")
  }

  private static func split(_ path: String) -> (String, String)? {
    guard path.hasPrefix("/"), let slash = path.lastIndex(of: "/"), slash != path.startIndex
    else { return nil }
    return (
      String(path[path.index(after: path.startIndex)..<slash]),
      String(path[path.index(after: slash)...])
    )
  }

  /// FNV-1a over 8 bytes at a time; the paths are the server's own, so no key is needed against
  /// crafted collisions (a miss walks at most a run of a half-empty table).
  @safe
  private static func hash(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    var index = 0
    while index + 8 <= bytes.count {
      hash =
        unsafe (hash ^ bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self))
        &* 0x0000_0100_0000_01b3
      hash ^= hash >> 29
      index += 8
    }
    while index < bytes.count {
      hash = unsafe (hash ^ UInt64(bytes[index])) &* 0x0000_0100_0000_01b3
      index += 1
    }
    return hash ^ hash >> 32
  }
}
