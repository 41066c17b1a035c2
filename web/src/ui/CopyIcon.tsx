/** Drawn, because few fonts have the sign. */
export function CopyIcon() {
  return (
    <svg width="13" height="13" viewBox="0 0 13 13" fill="none" stroke="currentColor" strokeWidth="1.3" aria-hidden="true">
      <path d="M4 4h8v8H4zM9 4V1H1v8h3" strokeLinejoin="round" />
    </svg>
  )
}
