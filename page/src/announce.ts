// Says something to people who listen to the page instead of looking at it.

export const ANNOUNCER = "announcer";

export function announce(text: string): void {
  const element = document.getElementById(ANNOUNCER);
  if (element) element.textContent = text;
}
