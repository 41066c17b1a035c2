// The portal's pictures in docs/screens: under the name they were taken with,
// unless they are known there by another.
const same = [
  'setup', 'setup-360', 'login', 'login-wrong', 'login-360', 'rooms-empty', 'room-new', 'room-new-more', 'room-made', 'room-preview', 'room-trouble', 'room-close', 'room-delete', 'room-settings', 'room-keys',
  'link-revoke', 'archive', 'rooms-dark', 'rooms-light', 'rooms-dark-360', 'room-dark-360', 'settings-light', 'settings-dark', 'settings-dark-360', 'settings-token', 'settings-role', 'account-360',
  'stack-dark', 'stack-dark-360', 'stack-plan', 'stack-apply', 'stack-diff', 'stack-logs', 'stack-waits',
]
export const PORTAL = { ...Object.fromEntries(same.map((name) => [name, name])), stack: 'stack-light', 'room-dark': 'room-page-dark', 'room-light': 'room-page-light', 'rooms-light-360': 'rooms-phone' }
