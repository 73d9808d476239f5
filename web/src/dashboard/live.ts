/** The collector's stream of changes; a tab that nobody sees does not follow it. */

export type Live = "live" | "lost";

export function watch(onState: (state: Live) => void, onChange: () => void): void {
  let source: EventSource | null = null;
  const open = (): void => {
    source = new EventSource(new URL("v1/live", document.baseURI));
    source.addEventListener("open", () => onState("live"));
    source.addEventListener("error", () => onState("lost"));
    source.addEventListener("change", onChange);
  };
  const follow = (): void => {
    if (document.visibilityState === "hidden") {
      source?.close();
      source = null;
    } else if (source === null) open();
  };
  document.addEventListener("visibilitychange", follow);
  follow();
}
