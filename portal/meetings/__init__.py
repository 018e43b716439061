"""Series of meetings, meetings, their agendas, packets, minutes, and the promises made there."""
