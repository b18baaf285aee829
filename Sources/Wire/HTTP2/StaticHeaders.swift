import CNghttp2

/// Header fields that never change, as nghttp2 wants them: allocated once, never freed, not copied.
struct StaticHeaders: @unchecked Sendable {
  // SAFETY: the memory is written once here and only read afterwards, by any thread.
  static let shared = StaticHeaders()

  /// `:status 200`, `content-type application/grpc`.
  let responseHeaders: UnsafeMutablePointer<nghttp2_nv>
  /// `grpc-status 0`.
  let okTrailers: UnsafeMutablePointer<nghttp2_nv>

  private init() {
    responseHeaders = .allocate(capacity: 2)
    responseHeaders.initialize(to: Self.field(":status", "200"))
    (responseHeaders + 1).initialize(to: Self.field("content-type", "application/grpc"))
    okTrailers = .allocate(capacity: 1)
    okTrailers.initialize(to: Self.field("grpc-status", "0"))
  }

  private static func field(_ name: StaticString, _ value: StaticString) -> nghttp2_nv {
    nghttp2_nv(
      name: UnsafeMutablePointer(mutating: name.utf8Start),
      value: UnsafeMutablePointer(mutating: value.utf8Start),
      namelen: name.utf8CodeUnitCount, valuelen: value.utf8CodeUnitCount,
      flags: UInt8(NGHTTP2_NV_FLAG_NO_COPY_NAME.rawValue | NGHTTP2_NV_FLAG_NO_COPY_VALUE.rawValue))
  }

  /// Calls `body` with fields built from arrays; nghttp2 copies them when they are submitted.
  ///
  /// Values of one call differ from those of the next, so they stay out of the peer's HPACK table.
  static func withFields<R>(
    _ fields: [(StaticString, [UInt8])], _ body: (UnsafeMutablePointer<nghttp2_nv>, Int) -> R
  ) -> R {
    let values = fields.flatMap(\.1)
    return values.withUnsafeBufferPointer { values in
      // nghttp2 takes no nil pointer, not even for an empty value.
      let start = UnsafeMutablePointer(mutating: values.baseAddress ?? StaticString("").utf8Start)
      var offset = 0
      var vectors: [nghttp2_nv] = []
      for (name, value) in fields {
        vectors.append(
          nghttp2_nv(
            name: UnsafeMutablePointer(mutating: name.utf8Start), value: start + offset,
            namelen: name.utf8CodeUnitCount, valuelen: value.count,
            flags: UInt8(NGHTTP2_NV_FLAG_NO_COPY_NAME.rawValue | NGHTTP2_NV_FLAG_NO_INDEX.rawValue))
        )
        offset += value.count
      }
      return vectors.withUnsafeMutableBufferPointer { body($0.baseAddress!, $0.count) }
    }
  }
}
