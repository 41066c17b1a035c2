// The live page in docs/screens: the name of a shot, and of its picture. What
// each shows stands in docs/screens/README.md.
export const LIVE_PICTURES = {
  // The way in
  'name-form': 'name-form', passcode: 'door', 'passcode-wrong': 'door-wrong', 'passcode-wait': 'door-wait', 'not-open-yet': 'not-open', 'device-check': 'device-check',
  // The room
  'room-waiting': 'room-waiting', 'room-desktop': 'room-desktop', 'room-tablet': 'room-tablet', 'room-phone': 'room-phone', 'room-lying': 'room-lying', 'room-lying-call': 'room-lying-call', 'room-call': 'room-call',
  'room-people': 'room-people', 'room-help': 'room-help', 'room-quality': 'room-quality', 'room-quality-phone': 'room-quality-phone', watermark: 'watermark', 'watermark-removed': 'watermark-removed',
  // What may happen in it
  reconnecting: 'reconnecting', 'room-stopped': 'stream-ended', 'call-unavailable': 'call-unavailable', 'call-left': 'call-left', 'part-missing': 'part-missing', 'leave-asked': 'leave-asked', left: 'left', 'room-closed': 'room-closed', 'room-over': 'room-ended', 'revoked-inside': 'session-ended',
  // Doors that stay shut
  full: 'room-full', 'a-room-that-is-closed': 'link-to-closed', 'a-link-that-has-ended': 'link-expired', 'a-link-that-was-withdrawn': 'link-withdrawn', 'a-link-that-was-used-up': 'link-used-up', 'an-unknown-link': 'link-unknown', offline: 'offline',
}

// The portal's: under the name they were taken with, unless they are known
// there by another.
const same = [
  'setup', 'setup-360', 'login-wrong', 'login-360', 'rooms-empty', 'room-new', 'room-new-more', 'room-made', 'room-preview', 'room-trouble', 'room-close', 'room-delete', 'room-settings', 'room-keys',
  'link-revoke', 'archive', 'rooms-dark', 'rooms-light', 'rooms-dark-360', 'room-dark-360', 'settings-light', 'settings-dark', 'settings-dark-360', 'settings-token', 'settings-role', 'account-360',
  'stack-dark', 'stack-dark-360', 'stack-plan', 'stack-apply', 'stack-diff', 'stack-logs', 'stack-waits',
]
export const PORTAL_PICTURES = { ...Object.fromEntries(same.map((name) => [name, name])), stack: 'stack-light', 'room-dark': 'room-page-dark', 'room-light': 'room-page-light', 'rooms-light-360': 'rooms-phone' }
