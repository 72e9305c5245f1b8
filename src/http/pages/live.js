// The one script: follows a run that is under way. Every page works without it.
const live = document.getElementById("live");
if (live) {
  const events = new EventSource(live.dataset.events);
  events.addEventListener("progress", (event) => {
    const now = JSON.parse(event.data);
    const rows = Object.entries(now.received).map(([kind, n]) => {
      const of = now.expected[kind];
      return `${n.toLocaleString("en")}${of ? ` of ${of.toLocaleString("en")}` : ""} ${kind}`;
    });
    live.textContent = `Under way: ${now.status}${rows.length ? ` (${rows.join(", ")})` : ""}`;
  });
  events.addEventListener("end", () => {
    events.close();
    location.reload();
  });
}
