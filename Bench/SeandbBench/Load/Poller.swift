import CEpoll
import Glibc

// SAFETY: the events are lent to the system call until that returns, with their count.

/// Waits until one of several sockets can be read or written (epoll).
///
/// Confined to its thread.
final class Poller {
  private static let maximumReadyCount = 256

  private let descriptor: Int32
  private var events = [linux_epoll_event](repeating: linux_epoll_event(), count: maximumReadyCount)

  init() throws(LoadFailure) {
    descriptor = linux_epoll_create()
    guard descriptor >= 0 else { throw LoadFailure("no epoll: \(errorText())") }
  }

  deinit { close(descriptor) }

  /// Waits for the socket to become readable from now on, and tells of it by `number`.
  func add(_ socket: Int32, number: Int) throws(LoadFailure) {
    guard linux_epoll_add(descriptor, socket, linux_epoll_in, UInt64(number)) == 0 else {
      throw LoadFailure("cannot watch a socket: \(errorText())")
    }
  }

  func change(_ socket: Int32, number: Int, waitsToWrite: Bool) throws(LoadFailure) {
    let events = linux_epoll_in | (waitsToWrite ? linux_epoll_out : 0)
    guard linux_epoll_change(descriptor, socket, events, UInt64(number)) == 0 else {
      throw LoadFailure("cannot watch a socket: \(errorText())")
    }
  }

  /// The count of sockets that are ready; 0 when the time is over.
  func wait(nanoseconds: UInt64) throws(LoadFailure) -> Int {
    let count = unsafe linux_epoll_wait(descriptor, &events, Int32(events.count), nanoseconds)
    if count >= 0 { return Int(count) }
    guard errno == EINTR else { throw LoadFailure("cannot wait for sockets: \(errorText())") }
    return 0
  }

  /// - Parameter position: below what ``wait(nanoseconds:)`` has returned.
  func ready(_ position: Int) -> (number: Int, canRead: Bool) {
    let event = events[position]
    return (Int(event.data), event.events & ~linux_epoll_out != 0)
  }
}
