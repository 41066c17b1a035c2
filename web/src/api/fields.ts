/** What the pages call the fields that the server may refuse by their own names. */
export const FIELD_NAME: Record<string, string> = {
  allowed_addresses: 'Allowed addresses',
  expires_at: 'Ends',
  max_uses: 'Uses',
  name: 'Name',
  new: 'New password',
  passcode: 'Passcode',
  password: 'Password',
  profile: 'Quality profile',
  scopes: 'What it may do',
  slug: 'Address',
  title: 'Name',
  viewer_cap: 'Most viewers',
}
